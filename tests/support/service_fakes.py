"""The ports of the services in memory: a store of workflows with transactions, clusters, blacklists, an outbox, messages in plain text."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from budsim.core.errors import ModelNotFound, Unavailable
from budsim.core.model.spec import ModelSpec
from budsim.core.ranking.recommendation import Failure, Recommendation
from budsim.core.ranking.so_far import Leader
from budsim.core.search.part import Blacklist, Part, PartResult, SearchTask
from budsim.services.ports import (
    OutgoingMessage,
    PartClaim,
    PlanNotes,
    Stage,
    StepProgress,
    StoredCluster,
    StoredPart,
    WorkflowStatus,
    leader_of,
)
from budsim.services.request import SimulationRequest
from tests.support.search_fakes import make_model
from tests.support.storage_values import message

T = TypeVar("T")


@dataclass
class Workflow:
    """What is stored of one workflow."""

    request: SimulationRequest
    status: WorkflowStatus = WorkflowStatus.PENDING
    notes: PlanNotes = field(default_factory=PlanNotes)
    parts: dict[str, StoredPart] = field(default_factory=dict)
    steps: list[StepProgress] = field(default_factory=list)
    outbox: list[str] = field(default_factory=list)
    answer: Recommendation | None = None


class FakeTransaction:
    """Changes a workflow in place; the fake has no rollback: what the real one undoes is proven on PostgreSQL."""

    def __init__(self, workflow: Workflow, blacklists: "FakeBlacklists") -> None:
        self._workflow = workflow
        self._blacklists = blacklists

    @property
    def request(self) -> SimulationRequest:
        return self._workflow.request

    @property
    def status(self) -> WorkflowStatus:
        return self._workflow.status

    @property
    def notes(self) -> PlanNotes:
        return self._workflow.notes

    @property
    def parts_total(self) -> int:
        return len(self._workflow.parts)

    @property
    def parts_done(self) -> int:
        return sum(stored.result is not None for stored in self._workflow.parts.values())

    async def plan(self, parts: Sequence[Part], notes: PlanNotes, *, deadline_s: float) -> None:
        self._workflow.parts = {part.part_id: StoredPart(part=part, result=None) for part in parts}
        self._workflow.notes = notes
        self._workflow.status = WorkflowStatus.RUNNING

    async def record(self, result: PartResult) -> bool:
        stored = self._workflow.parts[result.part_id]
        if stored.result is not None:
            return False
        self._workflow.parts[result.part_id] = StoredPart(part=stored.part, result=result)
        return True

    async def parts(self) -> Sequence[StoredPart]:
        return list(self._workflow.parts.values())

    async def leaders(self) -> Sequence[Leader]:
        return [leader for stored in self._workflow.parts.values() if (leader := leader_of(stored)) is not None]

    async def progress(self, step: StepProgress) -> None:
        self._workflow.steps.append(step)
        self._workflow.outbox.append(f"progress {step.event} {step.status}")

    async def emit(self, messages: Sequence[OutgoingMessage]) -> None:
        self._workflow.outbox += [(item.value or b"").decode() for item in messages]

    async def blacklisted(self, config_keys: Sequence[str]) -> Sequence[Blacklist]:
        return [await self._blacklists.get(key) for key in config_keys]

    async def finish(self, status: WorkflowStatus, recommendation: Recommendation) -> None:
        self._workflow.status = status
        self._workflow.answer = recommendation


class FakeWorkflows:
    """The WorkflowStore; a claim answers what `claim` says, counted per stage."""

    def __init__(self, blacklists: "FakeBlacklists | None" = None) -> None:
        self.stored: dict[UUID, Workflow] = {}
        self.attempts: dict[tuple[str, Stage], int] = {}
        self.claim_open = True
        self._blacklists = blacklists or FakeBlacklists()

    async def insert_if_absent(self, request: SimulationRequest) -> bool:
        absent = request.workflow_id not in self.stored
        self.stored.setdefault(request.workflow_id, Workflow(request=request))
        return absent

    @asynccontextmanager
    async def locked(self, workflow_id: UUID) -> AsyncIterator[FakeTransaction | None]:
        workflow = self.stored.get(workflow_id)
        yield FakeTransaction(workflow, self._blacklists) if workflow else None

    async def claim_part(self, part_id: str, stage: Stage) -> PartClaim:
        self.attempts[part_id, stage] = self.attempts.get((part_id, stage), 0) + 1
        return PartClaim(known=True, open=self.claim_open, attempts=self.attempts[part_id, stage])

    async def cancel(self, workflow_id: UUID) -> WorkflowStatus:
        self.stored[workflow_id].status = WorkflowStatus.CANCELLED
        return WorkflowStatus.CANCELLED

    async def due(self, now_s: float, limit: int) -> Sequence[UUID]:
        return ()


class FakeBlacklists:
    """What PostgreSQL lists, by key; `away` makes it Unavailable."""

    def __init__(self, *listed: Blacklist) -> None:
        self.listed = {blacklist.key: blacklist for blacklist in listed}
        self.away = False
        self.asked: list[str] = []

    async def get(self, key: str) -> Blacklist:
        self.asked.append(key)
        if self.away:
            raise Unavailable("PostgreSQL is away")
        return self.listed.get(key, Blacklist(key=key, version=0, entries=()))

    async def versions(self, keys: Sequence[str]) -> dict[str, int]:
        return {key: self.listed[key].version for key in keys if key in self.listed}


class FakeClusters:
    """Known clusters and how far the topic was stored; `arriving` is stored when they have been asked for that often."""

    def __init__(self, *known: StoredCluster, stored: dict[int, int] | None = None) -> None:
        self.known = list(known)
        self.stored = stored or {}
        self.arriving: list[Callable[[], None]] = []

    async def find(self, cluster_id: str) -> StoredCluster | None:
        self._look()
        return next((item for item in self.known if item.cluster.id == cluster_id), None)

    async def all(self) -> Sequence[StoredCluster]:
        return list(self.known)

    async def offsets(self) -> dict[int, int]:
        self._look()
        return dict(self.stored)

    def _look(self) -> None:
        if self.arriving:
            self.arriving.pop(0)()


class FakeEnds:
    """End offsets of clusters.v1."""

    def __init__(self, ends: dict[int, int] | None = None) -> None:
        self.ends = ends or {}

    async def end_offsets(self) -> dict[int, int]:
        return self.ends


class FakePrices:
    """No streamed prices."""

    async def all(self, *, now_s: float) -> dict[str, float]:
        return {}


class FakeOutbox:
    """Keeps which streams were to be sent."""

    def __init__(self) -> None:
        self.published: list[str] = []

    async def publish(self, stream_key: str) -> int:
        self.published.append(stream_key)
        return 0


class FakeModels:
    """Knows one model."""

    async def resolve(self, uri: str) -> ModelSpec:
        if uri != "org/model-8b":
            raise ModelNotFound(f"{uri} is not known", remedy="say org/model-8b")
        return make_model()


class HerePool:
    """Computes in the calling process."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        return function(*arguments)


class PlainMessages:
    """Facts as words."""

    def evaluation(self, part: Part) -> OutgoingMessage:
        return message(f"evaluation {part.part_id}")

    def search(self, task: SearchTask) -> OutgoingMessage:
        return message(f"search {task.part.part_id}")

    def part_finished(self, part: Part, result: PartResult) -> OutgoingMessage:
        return message(f"finished {part.part_id} {result.status}: {result.reason}")

    def recommendation(self, recommendation: Recommendation) -> OutgoingMessage:
        return message(f"recommendation {recommendation.completion}")

    def refusal(self, workflow_id: UUID, failure: Failure) -> Sequence[OutgoingMessage]:
        return (message(f"refusal {failure.code}"),)
