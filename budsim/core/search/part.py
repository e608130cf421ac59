"""Part, task and result: what a request is split into, and what is found for each piece."""

from dataclasses import dataclass
from enum import StrEnum

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.spec import EngineKind, EngineProfile
from budsim.core.hardware.pricing import PURCHASE
from budsim.core.hardware.spec import HardwareGroup
from budsim.core.model.spec import ModelSpec
from budsim.core.predictors.protocol import Bound, Method
from budsim.core.search.change import Change
from budsim.core.slo import Slo
from budsim.core.workload import Workload


class Algorithm(StrEnum):
    """What a request may ask for."""

    AUTO = "auto"  # direct for the heuristic; for the regressor exhaustive, narrowed or genetic, the larger the space
    DIRECT = "direct"
    EXHAUSTIVE = "exhaustive"
    GENETIC = "genetic"


class Way(StrEnum):
    """Ways through the candidate space."""

    DIRECT = "direct"
    EXHAUSTIVE = "exhaustive"
    NARROWED = "narrowed"
    GENETIC = "genetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """Bounds of the search; the genetic ones are the LLD's."""

    top_k: int = 5
    algorithm: Algorithm = Algorithm.AUTO
    population: int = 50
    generations: int = 30
    elite: float = 0.2
    crossover: float = 0.7
    mutation: float = 0.2
    convergence: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Cost of one device-hour and where it comes from (request, streamed, settings, catalogue, purchase)."""

    usd_per_hour: float
    source: str

    @property
    def is_written_off(self) -> bool:
        """Whether it is the purchase price over its years, for want of an hourly price."""
        return self.source == PURCHASE


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChoice:
    """Which model set answers a part of a request for the regressor.

    Attributes:
        version: The set the request names; empty for none.
        second: Whether the second set answers instead of the first.
        compared: Whether the predictions of the other one are recorded too.
    """

    version: str = ""
    second: bool = False
    compared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Cluster × hardware group × engine: the unit of work.

    Attributes:
        part_id: uuid5 of the workflow and of cluster, group and engine.
        seed: Derived from the part, so that a replay gives the same answer.
        blacklist_version: Version of the key's blacklist in PostgreSQL when the part was planned.
    """

    part_id: str
    workflow_id: str
    model: ModelSpec
    quantized: bool
    group: HardwareGroup
    engine: EngineProfile
    workload: Workload
    slo: Slo
    price: Price
    requested_method: Method
    settings: SearchSettings
    seed: int
    blacklist_version: int = 0
    model_set: SetChoice = SetChoice()

    @property
    def key(self) -> str:
        """Unit of order and state: cluster_id|device_type."""
        return self.group.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Tensor × pipeline parallel degrees that the topology, engine and model allow."""

    tensor_parallel: int
    pipeline_parallel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlacklistEntry:
    """One failed configuration on one cluster|device_type.

    It bars the same engine, model with its weight format, layout and memory class; after an out-of-memory reason also
    whatever of that engine, model and memory class needs at least `memory_bytes` per device.
    """

    config_id: str
    engine: EngineKind
    model_id: str
    tensor_parallel: int
    pipeline_parallel: int
    memory_class_gb: int
    out_of_memory: bool
    memory_bytes: float
    reason: str
    expires_at: float  # [unix s]
    weight_format: str = ""  # quantisation of the weights, empty for none


@dataclass(frozen=True, slots=True, kw_only=True)
class Blacklist:
    """All entries of one key, and the version of the set."""

    key: str
    version: int
    entries: tuple[BlacklistEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTask:
    """A part with the space left to search."""

    part: Part
    layouts: tuple[Layout, ...]
    blacklist: tuple[BlacklistEntry, ...]  # those that concern this part


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """5 % and 95 % quantiles of one figure."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBreakdown:
    """Per device of the fullest stage. [bytes]"""

    weights_bytes: float
    kv_cache_bytes: float
    activation_bytes: float
    overhead_bytes: float
    total_bytes: float
    usable_bytes: float
    gpu_memory_utilization: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundShare:
    """Share of the E2E latency that one bound takes, 0…1."""

    bound: Bound
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One judged deployment of one part: candidate, figures, verdict.

    Attributes:
        config_id: uuid5 of the part and the candidate.
        replicas: Replicas needed for the target concurrency; at most what the group holds.
        concurrency: Users one replica carries (candidate.concurrency).
        error_rate: Mean relative shortfall from the SLOs, 0…1.
        slo_probability: Probability that every SLO is met.
        cost_per_million_tokens: Cost of 10⁶ output tokens. [$]
        shares: What takes the latency, largest first; empty where the method cannot tell.
    """

    config_id: str
    candidate: Candidate
    replicas: int
    ttft_s: float
    tpot_s: float
    e2e_s: float
    throughput_per_user: float
    ttft_range_s: Range
    throughput_range: Range
    e2e_range_s: Range
    error_rate: float
    meets_slo: bool
    slo_probability: float
    cost_per_million_tokens: float
    bound: Bound
    memory: MemoryBreakdown
    shares: tuple[BoundShare, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPrediction:
    """What a model set that did not answer predicts of a configuration; figures as in Configuration."""

    config_id: str
    model_set: str
    ttft_s: float
    e2e_s: float
    throughput_per_user: float
    ttft_range_s: Range
    throughput_range: Range
    e2e_range_s: Range


class PartStatus(StrEnum):
    """How a part ended."""

    FOUND = "found"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """What was found for one part.

    Attributes:
        configurations: Best first, at most top_k.
        pareto: Undominated in cost, E2E latency and throughput; and what carries most within the SLOs, where nothing carries all so.
        excluded: config_ids of the blacklist entries that barred a candidate.
        reason: Why nothing was found.
        remedy: The smallest change that would make it fit.
        method: The method that answered, which may differ from the one asked for.
        search: Name of the search used: direct, exhaustive, narrowed, genetic.
        changes: What would make it meet its target and SLOs, where it does not; the least change of each kind.
        beside: What the other model set predicts of these configurations, where both are to be compared.
        evaluations: Candidates that were predicted.
        generations: Of a genetic search.
        converged: False where a genetic search was stopped by its bounds.
    """

    part_id: str
    status: PartStatus
    configurations: tuple[Configuration, ...] = ()
    pareto: tuple[Configuration, ...] = ()
    excluded: tuple[str, ...] = ()
    reason: str = ""
    remedy: str = ""
    method: Method = Method.HEURISTIC
    method_note: str = ""
    predictor_version: str = ""
    search: str = ""
    evaluations: int = 0
    generations: int = 0
    converged: bool = True
    changes: tuple[Change, ...] = ()
    beside: tuple[SetPrediction, ...] = ()
