"""SimulationRequested → SimulationRequest: edge units to SI, names to enums."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from budsim.adapters.wire.clusters import cluster_from_body
from budsim.core.engines.spec import Endpoint, EngineKind
from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import Cluster, HardwareMode
from budsim.core.predictors.protocol import Method
from budsim.core.search.part import Algorithm, SearchSettings
from budsim.core.slo import Slo
from budsim.core.units import ms_to_seconds
from budsim.core.workload import Workload
from budsim.services.request import SimulationRequest
from topics.simulation_requests import SimulationRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDefaults:
    """What settings decide when a request is silent."""

    method: Method
    deadline_s: float
    source_topics: frozenset[str]  # topics a caller may have progress copied to


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the token, and the trace."""

    token_id: UUID | None = None
    traceparent: str | None = None


def request_from_event(event: SimulationRequested, *, workflow_id: UUID, defaults: RequestDefaults, caller: Caller) -> SimulationRequest:
    """Return the request in SI units.

    Raises:
        InvalidInput: A cluster sent twice, an endpoint, a source topic or a quantisation that is not to be had.
    """
    metadata = event.notification_metadata
    return SimulationRequest(
        workflow_id=workflow_id,
        model_uri=event.pretrained_model_uri,
        proprietary=event.is_proprietary_model,
        workload=Workload(
            input_tokens=event.input_tokens,
            output_tokens=event.output_tokens,
            concurrency=event.concurrency,
            request_rate_per_s=event.request_rate,
            max_context_length=event.model_max_context_length,
        ),
        slo=_slo(event),
        hardware_mode=HardwareMode(event.hardware_mode),
        method=Method(event.simulation_method) if event.simulation_method else defaults.method,
        settings=_settings(event),
        deadline_s=event.deadline_s or defaults.deadline_s,
        cluster_id=event.cluster_id,
        clusters=_clusters(event),
        quantization=_quantization(event),
        endpoints=_endpoints(event.model_endpoints),
        engines=tuple(EngineKind(name) for name in event.engines or ()),
        seed=event.seed,
        spread=event.spread,
        model_set=event.model_set,
        project_id=event.project_id,
        token_id=caller.token_id,
        usd_per_hour=event.usd_per_hour or {},
        notification_workflow_id=metadata.workflow_id if metadata else None,
        notification_metadata=metadata.model_dump(exclude_none=True) if metadata else None,
        source_topics=_source_topics(event.source_topic, defaults.source_topics),
        traceparent=caller.traceparent,
        body=event.model_dump(mode="json", exclude_none=True, exclude={"clusters"}),
    )


def _settings(event: SimulationRequested) -> SearchSettings:
    bounds = event.search.model_dump(exclude={"algorithm"})
    return SearchSettings(top_k=event.top_k, algorithm=Algorithm(event.search.algorithm), **bounds)


def _clusters(event: SimulationRequested) -> tuple[Cluster, ...]:
    bodies = event.clusters or ()
    twice = [name for name, count in Counter(body.id for body in bodies).items() if count > 1]
    if twice:
        raise InvalidInput(f"clusters has the id {twice[0]!r} more than once", param="clusters", remedy="send each cluster once, whole")
    return tuple(cluster_from_body(body) for body in bodies)


def _slo(event: SimulationRequested) -> Slo:
    return Slo(
        ttft_s=ms_to_seconds(event.target_ttft) if event.target_ttft else None,
        throughput_per_user=event.target_throughput_per_user or None,
        e2e_s=event.target_e2e_latency or None,
        min_probability=event.min_slo_probability,
    )


def _quantization(event: SimulationRequested) -> str | None:
    name = event.quantization_type or event.quantization_method
    if event.is_quantization and not name:
        raise InvalidInput(
            "is_quantization is true but quantization_type is not given",
            param="quantization_type",
            remedy="name the format, for example fp8, int8, int4, awq or gptq, several with commas between them, or any",
        )
    return name.lower() if event.is_quantization and name else None


def _endpoints(text: str | None) -> tuple[Endpoint, ...]:
    names = [name.strip().upper() for name in (text or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in Endpoint.__members__]
    if unknown:
        raise InvalidInput(
            f"model_endpoints has {', '.join(unknown)}", param="model_endpoints", remedy=f"use {', '.join(Endpoint.__members__)}"
        )
    return tuple(Endpoint(name) for name in names)


def _source_topics(given: str | list[str] | None, allowed: frozenset[str]) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else given or []
    refused = [name for name in names if name not in allowed]
    if refused:
        raise InvalidInput(
            f"source_topic {', '.join(refused)} is not on the allow-list",
            param="source_topic",
            remedy="add it to BUDSIM_SOURCE_TOPICS, or leave source_topic out and read progress.v1",
        )
    return tuple(dict.fromkeys(names))
