"""Ports: what the services need from the outside, as Protocols, and the values that cross them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from budsim.core.hardware.spec import Cluster
from budsim.core.model.spec import ModelSpec
from budsim.core.ranking.recommendation import Recommendation, Rejection
from budsim.core.ranking.so_far import Leader
from budsim.core.search.part import Blacklist, BlacklistEntry, Part, PartResult, SearchTask
from budsim.services.request import SimulationRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """One Kafka message ready to be sent; `topic` is the full name."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class WorkflowStatus(StrEnum):
    """State of a workflow; the last four are terminal and change no more."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether the state changes no more."""
        return self not in (WorkflowStatus.PENDING, WorkflowStatus.RUNNING)


class Stage(StrEnum):
    """Computing stages that charge attempts to a part."""

    EVALUATE = "evaluate"
    SEARCH = "search"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """One progress event of a workflow, in the caller's terms; `seq` is given when it is stored."""

    event: str
    title: str
    message: str
    status: str  # STARTED, RUNNING, COMPLETED, FAILED
    result: Recommendation | None = None
    primary_action: str | None = None
    eta_s: float | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartClaim:
    """What a stage learns when it takes up a part: whether to go on, and which attempt this is."""

    known: bool
    open: bool
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part as PostgreSQL holds it."""

    part: Part
    result: PartResult | None


def leader_of(stored: StoredPart) -> Leader | None:
    """Return the first configuration of a part, None while it has none."""
    if stored.result is None or not stored.result.configurations:
        return None
    return Leader(
        cluster_id=stored.part.group.cluster_id,
        device_name=stored.part.group.device_name,
        engine=stored.part.engine.kind.value,
        is_written_off=stored.part.price.is_written_off,
        configuration=stored.result.configurations[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCluster:
    """A topology and when it was last reported. [unix s]"""

    cluster: Cluster
    updated_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackReport:
    """What became of a configuration; latencies in s, throughput in tokens/s.

    Attributes:
        event_id: Identity of this report: one that comes again counts once.
    """

    event_id: UUID
    config_id: UUID
    failed: bool
    reason: str
    workflow_id: UUID | None = None
    observed_ttft_s: float | None = None
    observed_throughput_per_user: float | None = None
    observed_e2e_s: float | None = None
    observed_concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedConfiguration:
    """A recommended configuration as feedback finds it."""

    config_id: UUID
    workflow_id: UUID
    key: str
    entry: BlacklistEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNotes:
    """What plan found out and gather must say (workflows.notes, JSONB).

    Attributes:
        eta_s: Expected duration. [s]
        data_version: Version of the device catalogue and topology the plan stood on.
    """

    rejections: tuple[Rejection, ...] = ()
    warnings: tuple[str, ...] = ()
    eta_s: float = 0.0
    data_version: str = ""


class ModelSource(Protocol):
    """Shapes of models by name."""

    async def resolve(self, uri: str) -> ModelSpec:
        """Return the shape; raise ModelNotFound, UnsupportedModel or InvalidInput."""
        ...


class ComputePool(Protocol):
    """CPU work off the event loop."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Return function(*arguments), computed in another process."""
        ...


class Clock(Protocol):
    """The time."""

    def now_s(self) -> float:
        """Return unix seconds."""
        ...


class Messages(Protocol):
    """The wire contract, seen from the services: a fact in, a message out."""

    def progress(self, request: SimulationRequest, step: StepProgress, seq: int) -> Sequence[OutgoingMessage]:
        """Return the progress event, once per topic the caller listens on."""
        ...

    def evaluation(self, part: Part) -> OutgoingMessage:
        """Return the request to narrow a part."""
        ...

    def search(self, task: SearchTask) -> OutgoingMessage:
        """Return the request to search a narrowed part."""
        ...

    def part_finished(self, part: Part, result: PartResult) -> OutgoingMessage:
        """Return the news that a part has its result."""
        ...

    def deadline(self, workflow_id: UUID) -> OutgoingMessage:
        """Return the news that a workflow's deadline has passed."""
        ...

    def recommendation(self, recommendation: Recommendation) -> OutgoingMessage:
        """Return the answer."""
        ...

    def cancelled(self, workflow_id: UUID) -> OutgoingMessage:
        """Return the news that a workflow was cancelled before its request came."""
        ...

    def blacklist(self, blacklist: Blacklist) -> OutgoingMessage:
        """Return a key's whole entry set."""
        ...


class WorkflowTransaction(Protocol):
    """One workflow, locked, within one transaction; all of it is committed or none."""

    @property
    def request(self) -> SimulationRequest:
        """The stored request."""
        ...

    @property
    def status(self) -> WorkflowStatus:
        """The state when it was locked, or as changed since."""
        ...

    @property
    def notes(self) -> "PlanNotes":
        """What plan left for gather."""
        ...

    @property
    def parts_total(self) -> int:
        """How many parts plan made."""
        ...

    @property
    def parts_done(self) -> int:
        """How many parts have their result, as changed since."""
        ...

    async def plan(self, parts: Sequence[Part], notes: "PlanNotes", *, deadline_s: float) -> None:
        """Store the parts and the notes, set RUNNING and the deadline. [unix s]"""
        ...

    async def record(self, result: PartResult) -> bool:
        """Keep the first result of a part; False if it had one."""
        ...

    async def parts(self) -> Sequence[StoredPart]:
        """Return all parts with their results."""
        ...

    async def leaders(self) -> Sequence[Leader]:
        """Return the first configuration of every part that has one."""
        ...

    async def progress(self, step: StepProgress) -> None:
        """Add a progress event with the next seq to the outbox."""
        ...

    async def emit(self, messages: Sequence[OutgoingMessage]) -> None:
        """Add messages to the outbox, after what is there."""
        ...

    async def blacklisted(self, config_keys: Sequence[str]) -> Sequence[Blacklist]:
        """Return the current blacklists of these keys."""
        ...

    async def finish(self, status: WorkflowStatus, recommendation: Recommendation) -> None:
        """Set the terminal state, store the rows of the recommended configurations, notify listeners."""
        ...


class WorkflowStore(Protocol):
    """Workflows and their parts."""

    async def insert_if_absent(self, request: SimulationRequest) -> bool:
        """Insert as PENDING; False if the id is known."""
        ...

    def locked(self, workflow_id: UUID) -> AbstractAsyncContextManager[WorkflowTransaction | None]:
        """Lock one workflow FOR UPDATE for the length of a transaction; None if unknown."""
        ...

    async def claim_part(self, part_id: str, stage: Stage) -> PartClaim:
        """Count one attempt of a stage on a part and say whether it is still wanted."""
        ...

    async def cancel(self, workflow_id: UUID) -> WorkflowStatus:
        """Set CANCELLED unless terminal, inserting an unknown id as CANCELLED; return the state after it."""
        ...

    async def due(self, now_s: float, limit: int) -> Sequence[UUID]:
        """Return RUNNING workflows whose deadline has passed and was not yet announced, and mark them announced (SKIP LOCKED)."""
        ...


class ClusterStore(Protocol):
    """Topologies as clusters.v1 told them."""

    async def find(self, cluster_id: str) -> StoredCluster | None:
        """Return one cluster."""
        ...

    async def all(self) -> Sequence[StoredCluster]:
        """Return every known cluster."""
        ...

    async def put(self, cluster: Cluster, *, updated_s: float, partition: int, offset: int) -> None:
        """Set a cluster and the offset it came from."""
        ...

    async def remove(self, cluster_id: str, *, partition: int, offset: int) -> None:
        """Remove a cluster and keep the offset."""
        ...

    async def offsets(self) -> dict[int, int]:
        """Return the last offset stored per partition of clusters.v1."""
        ...


class TopicEnds(Protocol):
    """How far a topic reaches."""

    async def end_offsets(self) -> dict[int, int]:
        """Return the next offset to be written, per partition."""
        ...


class BlacklistStore(Protocol):
    """Blacklists, decided in PostgreSQL."""

    async def get(self, key: str) -> Blacklist:
        """Return the key's entries and version; version 0 if it never had one."""
        ...

    async def versions(self, keys: Sequence[str]) -> dict[str, int]:
        """Return the versions of keys that have one."""
        ...

    async def find_configuration(self, config_id: UUID) -> RecordedConfiguration | None:
        """Return a recommended configuration."""
        ...

    async def apply(self, recorded: RecordedConfiguration, report: FeedbackReport, messages: Messages) -> Blacklist:
        """Mark the configuration, set or lift its entry, bump the key's version, and put the update into the outbox: one transaction.

        A report that was applied before changes nothing.
        """
        ...


class PriceStore(Protocol):
    """Streamed prices."""

    async def all(self, *, now_s: float) -> dict[str, float]:
        """Return $/h by «device» or «cluster_id|device», as valid at this time. [unix s]"""
        ...

    async def put(self, key: str, usd_per_hour: float, *, now_s: float, valid_from_s: float | None = None) -> None:
        """Set a price; one that is not valid yet leaves the present one in force until it is. [unix s]"""
        ...

    async def remove(self, key: str) -> None:
        """Remove a price, and the one that would follow it."""
        ...


class Outbox(Protocol):
    """Messages that were committed and must be sent."""

    async def publish(self, stream_key: str) -> int:
        """Send what is unsent under one key in order, under its advisory lock; return how many."""
        ...


Row = dict[str, Any]
