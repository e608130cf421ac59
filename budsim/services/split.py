"""A request split into parts: cluster × hardware group × engine, each for every format of the weights that may be chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final
from uuid import uuid5

from budsim.core.engines.compatibility import compatible_engines
from budsim.core.engines.images import EngineImages
from budsim.core.engines.spec import EngineProfile
from budsim.core.errors import BudSimError, NoCompatibleEngine
from budsim.core.hardware.grouping import RejectedDevice, hardware_groups
from budsim.core.hardware.pricing import PriceBook, price_per_device_hour
from budsim.core.hardware.spec import Cluster, HardwareGroup
from budsim.core.model.parameters import parameter_count
from budsim.core.model.quantize import AS_STORED, formats
from budsim.core.model.spec import ModelSpec
from budsim.core.ranking.recommendation import Rejection
from budsim.core.search.part import Part, Price
from budsim.services.model_sets import SetPolicy, set_choice
from budsim.services.ports import PlanNotes, StoredCluster
from budsim.services.request import SimulationRequest

MAX_LEFT_OUT: Final = 20  # reasons told a cluster why devices were left out: a hundred clusters must fit one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPolicy:
    """Settings that decide how a request is split.

    Attributes:
        images: Container image by engine («vllm») or engine and device («vllm/rocm»).
        engine_versions: Release of the engine in that image, by the same names.
        usd_per_hour: Prices by device name, from settings.
        stale_after_s: Age from which a topology is used with a warning. [s]
        model_sets: Which model set answers.
    """

    images: Mapping[str, str]
    usd_per_hour: Mapping[str, float]
    engine_versions: Mapping[str, str] = field(default_factory=dict)
    skip_master_for_cpu: bool = True
    stale_after_s: float = 900.0
    model_sets: SetPolicy = field(default_factory=SetPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Parts to be computed and what plan must tell gather."""

    parts: tuple[Part, ...]
    notes: PlanNotes


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a request meets: topologies, streamed prices, blacklist versions, and the time. [unix s]"""

    clusters: Sequence[StoredCluster]
    prices: Mapping[str, float]
    blacklist_versions: Mapping[str, int]
    now_s: float


def split(request: SimulationRequest, model: ModelSpec, around: Surroundings, policy: SplitPolicy) -> Split:
    """Return the parts of a request, and whatever of the clusters was left out with its reason."""
    shapes = formats(model, request.quantization or AS_STORED)
    model_set = set_choice(request.model_set, request.workflow_id, policy.model_sets)
    parts: list[Part] = []
    rejections: list[Rejection] = []
    for stored in around.clusters:
        grouping = hardware_groups(stored.cluster, request.hardware_mode, skip_master_for_cpu=policy.skip_master_for_cpu)
        rejections.extend(_rejections(stored.cluster, grouping.rejected, empty=not grouping.groups))
        for group in grouping.groups:
            plans, refused = _runnable(request, shapes, group, policy)
            rejections.extend(_rejection(group, error) for error in refused)
            price = _price(request, group, around.prices, policy)
            made = (_part(request, plan, group, price=price, around=around) for plan in plans)
            parts.extend(replace(part, model_set=model_set) for part in made)
    notes = PlanNotes(
        rejections=tuple(rejections),
        warnings=(*_warnings(around, policy), *model.notes),
        eta_s=eta_s(len(parts)),
        data_version=_data_version(around),
    )
    return Split(parts=tuple(parts), notes=notes)


def eta_s(parts: int) -> float:
    """Return the expected duration of a request of so many parts. [s]

    Source: `make bench`: about 0.2 s for the way through the topics and 0.05 s of work a part on one core.
    """
    return 0.2 + 0.05 * parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One engine for one format of the weights; the name is empty where the request leaves no choice of formats."""

    model: ModelSpec
    format_name: str
    engine: EngineProfile
    quantized: bool


def _runnable(
    request: SimulationRequest, shapes: Mapping[str, ModelSpec], group: HardwareGroup, policy: SplitPolicy
) -> tuple[list[_Plan], list[NoCompatibleEngine]]:
    """Return each engine that runs a format, and where none runs any, why."""
    plans: list[_Plan] = []
    refused: list[NoCompatibleEngine] = []
    for name, shape in shapes.items():
        try:
            engines = _engines(request, shape, group, policy)
        except NoCompatibleEngine as error:
            refused.append(error)
            continue
        told, quantized = name if len(shapes) > 1 else "", request.quantization is not None and name != AS_STORED
        plans += [_Plan(model=shape, format_name=told, engine=engine, quantized=quantized) for engine in engines]
    return plans, [] if plans else refused


def _engines(request: SimulationRequest, model: ModelSpec, group: HardwareGroup, policy: SplitPolicy) -> Sequence[EngineProfile]:
    return compatible_engines(
        model,
        group.accelerator.device_type,
        endpoints=request.endpoints,
        parameters=parameter_count(model),
        images=EngineImages(images=policy.images, versions=policy.engine_versions),
        restrict=request.engines,
    )


def _price(request: SimulationRequest, group: HardwareGroup, streamed: Mapping[str, float], policy: SplitPolicy) -> Price:
    book = PriceBook(request=request.usd_per_hour, streamed=streamed, settings=policy.usd_per_hour)
    found = price_per_device_hour(group.accelerator, book, cluster_id=group.cluster_id)
    return Price(usd_per_hour=found.usd_per_hour, source=found.source)


def _part(request: SimulationRequest, plan: _Plan, group: HardwareGroup, *, price: Price, around: Surroundings) -> Part:
    place = (group.cluster_id, group.device_label, group.accelerator.name, group.device_name, str(round(group.memory_bytes)))
    name = "/".join((*place, plan.engine.kind, *filter(None, (plan.format_name,))))
    return Part(
        part_id=str(uuid5(request.workflow_id, name)),
        workflow_id=str(request.workflow_id),
        model=plan.model,
        quantized=plan.quantized,
        group=group,
        engine=plan.engine,
        workload=request.workload,
        slo=request.slo,
        price=price,
        requested_method=request.method,
        settings=request.settings,
        seed=_seed(name, request.seed),
        blacklist_version=around.blacklist_versions.get(group.key, 0),
    )


def _seed(name: str, seed: int | None) -> int:
    return int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:4], "big")


def _rejections(cluster: Cluster, rejected: Sequence[RejectedDevice], *, empty: bool) -> Iterator[Rejection]:
    nodes: dict[tuple[str, str], list[str]] = {}
    for item in rejected:
        nodes.setdefault((item.device, item.reason), []).append(item.node)
    for (device, reason), names in list(nodes.items())[:MAX_LEFT_OUT]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Rejection(cluster_id=cluster.id, reason=f"node {names[0]}{more}, device {device}: {reason}", code="device_left_out")
    if len(nodes) > MAX_LEFT_OUT:
        left = f"devices were left out for {len(nodes) - MAX_LEFT_OUT} more reasons"
        yield Rejection(cluster_id=cluster.id, reason=left, code="device_left_out")
    if empty:
        yield Rejection(
            cluster_id=cluster.id,
            reason="no node of this cluster offers a free, known device",
            remedy="free a device, or report the cluster's nodes with status true and their devices",
            code="no_devices",
        )


def _rejection(group: HardwareGroup, error: BudSimError) -> Rejection:
    return Rejection(
        cluster_id=group.cluster_id, device_type=group.device_label, reason=error.message, remedy=error.remedy, code=error.code
    )


def _warnings(around: Surroundings, policy: SplitPolicy) -> Iterator[str]:
    yield "nothing is reserved by a recommendation: another deployment may take the devices first"
    for stored in around.clusters:
        age_s = around.now_s - stored.updated_s
        if age_s > policy.stale_after_s:
            yield f"the topology of cluster {stored.cluster.id} is {age_s / 60:.0f} minutes old: report it again for a firm answer"


def _data_version(around: Surroundings) -> str:
    text = "|".join(f"{stored.cluster.id}@{stored.cluster.version}" for stored in around.clusters)
    return sha256(text.encode()).hexdigest()[:12]
