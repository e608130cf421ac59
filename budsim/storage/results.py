"""Rows of simulation_results from a recommendation."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Table, Text, bindparam, cast, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from budsim.core.ranking.recommendation import ClusterRecommendation, PlacedDevices, RankedConfiguration, Recommendation
from budsim.core.search.blacklist import weight_format
from budsim.core.search.part import BlacklistEntry, Configuration, SetPrediction
from budsim.core.units import GB, TERA, US_PER_S, bytes_to_gb, seconds_to_ms
from budsim.services.request import SimulationRequest
from budsim.storage.schema import MODEL_SET_LENGTH, SetPredictionRow, SimulationResultRow, table_of
from budsim.storage.values import ENTRY, json_text

_RANKED = TypeAdapter(RankedConfiguration)
_RESULTS: Final[Table] = table_of(SimulationResultRow)
_BY_SERVER = ("id", "is_blacklisted", "created_at", "modified_at")
_JSON = ("blacklist_entry", "top_k_configs")


def _text_of(column: str) -> str:
    return f"{column}_text"


_ADD_RESULT: Final = insert(_RESULTS).values(
    {
        **{column.name: bindparam(column.name) for column in _RESULTS.c if column.name not in (*_BY_SERVER, *_JSON)},
        **{name: cast(bindparam(_text_of(name), type_=Text), JSONB) for name in _JSON},
    }
)
_ADD_BESIDE: Final = insert(table_of(SetPredictionRow))
_NOWHERE = PlacedDevices(node_id="", node_name="", devices=0)


async def insert_results(session: AsyncSession, request: SimulationRequest, recommendation: Recommendation) -> None:
    """Insert one row per recommended configuration, and what another model set predicts of it."""
    rows = [
        _row(request, ranked, rank=rank, cluster_rank=cluster_rank) | answered
        for cluster_rank, cluster in enumerate(recommendation.clusters)
        for rank, (ranked, answered) in enumerate(_told(cluster))
    ]
    beside = [values for cluster in recommendation.clusters for values in _all_beside(cluster)]
    if rows:
        await session.execute(_ADD_RESULT, rows)
    if beside:
        await session.execute(_ADD_BESIDE, beside)


def _told(cluster: ClusterRecommendation) -> Iterator[tuple[RankedConfiguration, dict[str, object]]]:
    """Yield each configuration with who predicted it."""
    results = {result.part_id: result for result in cluster.results}
    for ranked in _distinct(cluster):
        result = results[ranked.part.part_id]
        yield ranked, {"method": result.method.value, "model_set": result.predictor_version[:MODEL_SET_LENGTH]}


def _all_beside(cluster: ClusterRecommendation) -> Iterator[dict[str, object]]:
    """Yield what another model set predicts of the configurations that are recommended."""
    recommended = {ranked.configuration.config_id for ranked in _distinct(cluster)}
    for result in cluster.results:
        for found in result.beside:
            if found.config_id in recommended:
                yield {
                    "config_id": UUID(found.config_id),
                    "model_set": found.model_set[:MODEL_SET_LENGTH],
                    **_predicted(found),
                }


def _distinct(cluster: ClusterRecommendation) -> list[RankedConfiguration]:
    """Best first, then what only the Pareto front has: feedback may name any of them."""
    found = {ranked.configuration.config_id: ranked for ranked in (*cluster.configurations, *cluster.pareto)}
    return list(found.values())


def _row(request: SimulationRequest, ranked: RankedConfiguration, *, rank: int, cluster_rank: int) -> dict[str, object]:
    entry = json_text(ENTRY, entry_of(ranked))
    whole = _RANKED.dump_json(ranked, exclude={"part": {"model"}}).decode()
    return {
        "workflow_id": request.workflow_id,
        "rank": rank,
        "cluster_rank": cluster_rank,
        "blacklist_key": ranked.part.key,
        **{_text_of(name): value for name, value in zip(_JSON, (entry, whole), strict=True)},
        **_asked(request, ranked),
        **_hardware(ranked),
        **_engine(ranked),
        **_figures(ranked),
    }


def entry_of(ranked: RankedConfiguration) -> BlacklistEntry:
    """Return what feedback on this configuration would bar; reason and expiry are set then."""
    candidate, part = ranked.configuration.candidate, ranked.part
    return BlacklistEntry(
        config_id=ranked.configuration.config_id,
        engine=part.engine.kind,
        model_id=part.model.model_id,
        tensor_parallel=candidate.tensor_parallel,
        pipeline_parallel=candidate.pipeline_parallel,
        memory_class_gb=part.group.accelerator.memory_class_gb,
        out_of_memory=False,
        memory_bytes=ranked.configuration.memory.total_bytes,
        reason="",
        expires_at=0.0,
        weight_format=weight_format(part.model),
    )


def _asked(request: SimulationRequest, ranked: RankedConfiguration) -> dict[str, object]:
    slo, load = request.slo, request.workload
    return {
        "config_id": UUID(ranked.configuration.config_id),
        "part_id": UUID(ranked.part.part_id),
        "model_name": request.model_uri[:255],
        "model_version": ranked.part.model.revision[:50],
        "input_tokens": load.input_tokens,
        "output_tokens": load.output_tokens,
        "target_concurrency": load.target_concurrency(ranked.configuration.e2e_s),
        "target_ttft": seconds_to_ms(slo.ttft_s or 0.0),
        "target_throughput_per_user": slo.throughput_per_user or 0.0,
        "target_e2e_latency": slo.e2e_s or 0.0,
    }


def _hardware(ranked: RankedConfiguration) -> dict[str, object]:
    group, device = ranked.part.group, ranked.part.group.accelerator
    first = ranked.placement[0].nodes[0] if ranked.placement and ranked.placement[0].nodes else _NOWHERE
    return {
        "cluster_id": group.cluster_id,
        "node_id": first.node_id,
        "node_name": first.node_name,
        "device_id": first.device_ids[0] if first.device_ids else f"{first.node_id}/{group.device_name}"[:255],
        "device_name": group.device_name,
        "device_type": group.device_label[:10],
        "device_model": group.device_model,
        "raw_name": group.raw_name,
        "available_count": group.total_devices,
        "cores": device.cores,
        "mem_per_gpu_in_gb": bytes_to_gb(group.memory_bytes),
        "hbm_bandwidth_in_gb_per_sec": device.bandwidth_bytes_per_s / GB,
        "intra_node_bandwidth_in_gb_per_sec": device.intra_node.bandwidth_bytes_per_s / GB,
        "intra_node_min_message_latency": device.intra_node.latency_s * US_PER_S,
        "peak_fp16_tflops": device.fp16_flop_per_s / TERA,
        "peak_i8_tflops": (device.int8_flop_per_s or 0.0) / TERA,
        "peak_i4_tflops": (device.int4_flop_per_s or 0.0) / TERA,
        "inter_node_bandwidth_in_gb_per_sec": device.inter_node.bandwidth_bytes_per_s / GB,
    }


def _engine(ranked: RankedConfiguration) -> dict[str, object]:
    engine = ranked.part.engine
    return {
        "engine": engine.kind.value,
        "engine_image": engine.image,
        "engine_version": engine.version,
        "tool_calling_parser_type": engine.tool_calling_parser,
        "reasoning_parser_type": engine.reasoning_parser,
        "architecture_family": engine.architecture_family,
        "chat_template": engine.chat_template,
        "supports_lora": engine.supports_lora,
        "supports_pipeline_parallelism": engine.supports_pipeline_parallelism,
    }


def _figures(ranked: RankedConfiguration) -> dict[str, object]:
    found = ranked.configuration
    return {
        "tp_size": found.candidate.tensor_parallel,
        "pp_size": found.candidate.pipeline_parallel,
        "concurrency": found.candidate.concurrency,
        "replicas": ranked.replicas,
        "error_rate": found.error_rate,
        "cost_per_million_tokens": found.cost_per_million_tokens,
        "meets_slo": found.meets_slo,
        **_predicted(found),
    }


def _predicted(found: Configuration | SetPrediction) -> dict[str, object]:
    return {
        "ttft": seconds_to_ms(found.ttft_s),
        "ttft_p5": seconds_to_ms(found.ttft_range_s.low),
        "ttft_p95": seconds_to_ms(found.ttft_range_s.high),
        "throughput_per_user": found.throughput_per_user,
        "throughput_per_user_p5": found.throughput_range.low,
        "throughput_per_user_p95": found.throughput_range.high,
        "e2e_latency": found.e2e_s,
        "e2e_latency_p5": found.e2e_range_s.low,
        "e2e_latency_p95": found.e2e_range_s.high,
    }
