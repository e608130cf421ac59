"""Recommendation: clusters ranked for one workflow, with placed configurations and the rejected ones."""

from dataclasses import dataclass
from enum import StrEnum

from budsim.core.ranking.explanation import Explanation
from budsim.core.search.change import Change
from budsim.core.search.part import Configuration, Part, PartResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedDevices:
    """Devices one node gives to one replica."""

    node_id: str
    node_name: str
    devices: int
    device_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedReplica:
    """Where one replica stands: every pipeline stage has its devices on one node."""

    nodes: tuple[PlacedDevices, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedConfiguration:
    """A configuration of one part; what is answered has its replicas placed on the real nodes."""

    part: Part
    configuration: Configuration
    placement: tuple[PlacedReplica, ...] = ()

    @property
    def replicas(self) -> int:
        """Replicas of it, as many as are placed."""
        return self.configuration.replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRecommendation:
    """One cluster that carries the target.

    Attributes:
        configurations: Best first; the first `together` are what is recommended.
        results: Per part, for method, search and excluded entries.
        explanation: One plain sentence.
        warnings: Stale topology, blacklist exclusions, method fallback, no hourly price.
        together: Configurations that are deployed beside each other: more than one where no hardware group carries the target alone.
        explained: The explanation as figures; None in answers of before there were any.
        changes: What would make it meet its SLOs, where it does not.
    """

    cluster_id: str
    configurations: tuple[RankedConfiguration, ...]
    pareto: tuple[RankedConfiguration, ...]
    results: tuple[PartResult, ...]
    explanation: str
    warnings: tuple[str, ...] = ()
    together: int = 1
    explained: Explanation | None = None
    changes: tuple[Change, ...] = ()

    @property
    def deployed(self) -> tuple[RankedConfiguration, ...]:
        """What is deployed."""
        return self.configurations[: self.together]

    @property
    def best(self) -> RankedConfiguration:
        """The recommended configuration."""
        return self.configurations[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One cluster, or one piece of it, that does not do, and what would make it fit: in words, and as changes judged by prediction."""

    cluster_id: str
    reason: str
    remedy: str = ""
    device_type: str | None = None
    engine: str | None = None
    code: str = "rejected"
    changes: tuple[Change, ...] = ()


class Completion(StrEnum):
    """How a workflow's answer came about."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPart:
    """A part that did not answer before the deadline."""

    part_id: str
    cluster_id: str
    device_type: str
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a workflow has no recommendation."""

    code: str
    message: str
    remedy: str = ""
    param: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The answer of one workflow.

    Attributes:
        data_version: Version of the device catalogue and of the topologies it stands on.
    """

    workflow_id: str
    completion: Completion
    clusters: tuple[ClusterRecommendation, ...]
    rejected: tuple[Rejection, ...] = ()
    missing: tuple[MissingPart, ...] = ()
    failure: Failure | None = None
    created_s: float = 0.0  # [unix s]
    data_version: str = ""
