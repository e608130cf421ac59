"""A web view over memory: stores that can be away, a flow that answers when told, a broker that keeps what it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web_runner import BaseRunner

from budsim.adapters.wire.messages import KafkaMessages
from budsim.adapters.wire.requests import RequestDefaults
from budsim.core.errors import Unavailable
from budsim.core.hardware.spec import Cluster
from budsim.core.predictors.protocol import Method
from budsim.core.ranking.recommendation import Completion, Failure, Recommendation
from budsim.core.search.part import Blacklist
from budsim.services.admission import Admission, AdmissionPorts
from budsim.services.feedback import FeedbackTaker
from budsim.services.ports import FeedbackReport, Messages, OutgoingMessage, RecordedConfiguration, StoredCluster, WorkflowStatus
from budsim.services.request import SimulationRequest
from budsim.storage.queries import BestConfiguration, ConfigurationOwner, WorkflowFilter, WorkflowSummary, WorkflowView
from budsim.storage.results import entry_of
from budsim.storage.tokens import Token
from budsim.web.application import WebParts, build
from budsim.web.health import Health
from tests.support.storage_values import FakeClock, answer_of, parts_of

NOW_S = 1_800_000_000.0
SECRET = "budsim_all"
BODY = {"pretrained_model_uri": "org/model-8b", "input_tokens": 1000, "output_tokens": 100, "concurrency": 32, "target_ttft": 500}

DEFAULTS = RequestDefaults(method=Method.HEURISTIC, deadline_s=60.0, source_topics=frozenset({"callers.own"}))


class FakeStore:
    """Workflows, clusters, tokens and blacklists in memory."""

    def __init__(self) -> None:
        self.away = False
        self.views: dict[UUID, WorkflowView] = {}
        self.requests: dict[UUID, SimulationRequest] = {}
        self.clusters: dict[str, StoredCluster] = {}
        self.tokens: dict[str, Token] = {SECRET: Token(id=uuid4(), name="all", projects=None, clusters=None)}
        self.lists: dict[str, Blacklist] = {}
        self.reports: list[UUID] = []

    def reach(self) -> None:
        if self.away:
            raise Unavailable("PostgreSQL is away")

    async def insert_if_absent(self, request: SimulationRequest) -> bool:
        self.reach()
        return self.keep(request)

    def keep(self, request: SimulationRequest) -> bool:
        if request.workflow_id in self.views:
            return False
        self.requests[request.workflow_id] = request
        self.views[request.workflow_id] = view_of(request, created_s=NOW_S + len(self.views))
        return True

    def change(self, workflow_id: UUID, **changes: object) -> None:
        self.views[workflow_id] = replace(self.views[workflow_id], **changes)  # type: ignore[arg-type]

    async def cancel(self, workflow_id: UUID) -> WorkflowStatus:
        self.reach()
        view = self.views.get(workflow_id) or replace(view_of(None, created_s=NOW_S), id=workflow_id)
        if not view.status.is_terminal:
            view = replace(view, status=WorkflowStatus.CANCELLED, finished_s=NOW_S)
        self.views[workflow_id] = view
        return view.status

    async def one(self, workflow_id: UUID) -> WorkflowView | None:
        self.reach()
        return self.views.get(workflow_id)

    async def status(self, workflow_id: UUID) -> WorkflowStatus | None:
        view = await self.one(workflow_id)
        return view.status if view else None

    async def request_of(self, workflow_id: UUID) -> SimulationRequest | None:
        self.reach()
        return self.requests.get(workflow_id)

    async def open_count(self) -> int:
        self.reach()
        return sum(not view.status.is_terminal for view in self.views.values())

    async def cluster_count(self) -> int:
        self.reach()
        return len(self.clusters)

    async def page(self, wanted: WorkflowFilter, *, page: int, limit: int) -> tuple[list[WorkflowSummary], int]:
        self.reach()
        found = sorted((view for view in self.views.values() if _wanted(view, wanted)), key=lambda view: -view.created_s)
        return list(found[(page - 1) * limit : page * limit]), len(found)

    async def best_of(self, workflow_ids: Sequence[UUID]) -> list[BestConfiguration]:
        self.reach()
        views = [self.views[workflow_id] for workflow_id in workflow_ids]
        return [best for view in views if view.result for best in _best(view.id, view.result)]

    async def owner_of(self, config_id: UUID) -> ConfigurationOwner | None:
        found = await self.find_configuration(config_id)
        if found is None:
            return None
        return ConfigurationOwner(project_id=self.views[found.workflow_id].project_id, cluster_id=found.key.rsplit("|", 1)[0])

    async def blacklists(self, keys: Sequence[str]) -> list[Blacklist]:
        self.reach()
        return [self.lists.get(key, Blacklist(key=key, version=0, entries=())) for key in keys]

    async def find_configuration(self, config_id: UUID) -> RecordedConfiguration | None:
        self.reach()
        for view in self.views.values():
            for cluster in view.result.clusters if view.result else ():
                for ranked in cluster.configurations:
                    if ranked.configuration.config_id == str(config_id):
                        return RecordedConfiguration(config_id=config_id, workflow_id=view.id, key=ranked.part.key, entry=entry_of(ranked))
        return None

    async def apply(self, recorded: RecordedConfiguration, report: FeedbackReport, messages: Messages) -> Blacklist:
        self.reach()
        self.reports.append(report.event_id)
        entry = replace(recorded.entry, reason=report.reason, expires_at=NOW_S + 60)
        kept = Blacklist(key=recorded.key, version=1, entries=(entry,) if report.failed else ())
        self.lists[recorded.key] = kept
        return kept


class FakeClusters:
    """Clusters of a store."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def find(self, cluster_id: str) -> StoredCluster | None:
        self._store.reach()
        return self._store.clusters.get(cluster_id)


class FakeTokens:
    """Tokens of a store."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def find(self, secret: str) -> Token | None:
        self._store.reach()
        return self._store.tokens.get(secret)


class FakeNews:
    """Tells only what a test tells."""

    def __init__(self) -> None:
        self.closed = False
        self.waiting: list[tuple[UUID, asyncio.Event]] = []

    @contextmanager
    def subscribed(self, workflow_id: UUID) -> Iterator[asyncio.Event]:
        place = (workflow_id, asyncio.Event())
        self.waiting.append(place)
        try:
            yield place[1]
        finally:
            self.waiting.remove(place)

    def tell(self, workflow_id: UUID) -> None:
        for waited, news in self.waiting:
            if waited == workflow_id:
                news.set()

    def close(self) -> None:
        self.closed = True
        for _, news in self.waiting:
            news.set()

    async def run(self) -> None:
        await asyncio.Event().wait()


class FakeBroker:
    """Keeps what it is sent; can be away, can be held back by `gate`; `flow` sees each message before the sender knows it was taken."""

    def __init__(self) -> None:
        self.away = False
        self.sent: list[OutgoingMessage] = []
        self.flow: Callable[[OutgoingMessage], None] = lambda message: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = 0
        self.stopped = False

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        self.entered += 1
        await self.gate.wait()
        if self.away:
            raise Unavailable("Kafka is away")
        for message in messages:
            self.sent.append(message)
            self.flow(message)

    async def stop(self) -> None:
        self.stopped = True


class FakeIdentities:
    """One lock an id."""

    def __init__(self) -> None:
        self._locks: dict[UUID, asyncio.Lock] = {}

    @asynccontextmanager
    async def held(self, workflow_id: UUID) -> AsyncIterator[None]:
        async with self._locks.setdefault(workflow_id, asyncio.Lock()):
            yield


class FakeOutbox:
    """Counts; can be away."""

    def __init__(self) -> None:
        self.flushed: list[str] = []

    async def publish(self, stream_key: str) -> int:
        self.flushed.append(stream_key)
        return 1


class ServerAsInProduction(TestServer):
    """Handlers go on when their caller has gone, as under `budsim web`; aiohttp's own test server would cancel them."""

    async def _make_runner(self, **options: Any) -> BaseRunner:
        return await super()._make_runner(**(options | {"handler_cancellation": False}))


@dataclass
class Office:
    """A web view and all that stands behind it."""

    client: "TestClient[object, object]"
    store: FakeStore
    broker: FakeBroker
    news: FakeNews
    outbox: FakeOutbox
    checks: dict[str, bool] = field(default_factory=lambda: {"postgresql": True, "kafka": True})

    async def call(self, method: str, path: str, *, token: str | None = SECRET, **more: object) -> tuple[int, dict[str, object]]:
        """Return status and body."""
        headers = dict(more.pop("headers", None) or {})  # type: ignore[call-overload]
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        async with self.client.request(method, path, headers=headers, **more) as response:  # type: ignore[arg-type]
            return response.status, await response.json()

    def limited(self, *, projects: set[str] | None = None, clusters: set[str] | None = None) -> str:
        """Return the secret of a token for some projects and clusters."""
        secret = f"budsim_{uuid4().hex}"
        self.store.tokens[secret] = Token(
            id=uuid4(),
            name="limited",
            projects=None if projects is None else frozenset(projects),
            clusters=None if clusters is None else frozenset(clusters),
        )
        return secret

    def answered(self, request: SimulationRequest, *cluster_ids: str) -> Recommendation:
        """Keep a workflow that has its answer."""
        self.store.keep(request)
        answer = answer_of(request, [replace(part, slo=request.slo) for part in parts_of(request.workflow_id, *cluster_ids)])
        self.end(request.workflow_id, answer)
        return answer

    def end(self, workflow_id: UUID, answer: Recommendation) -> None:
        """End a workflow without telling."""
        status = WorkflowStatus.FAILED if answer.failure else WorkflowStatus.COMPLETED
        failure = answer.failure.message if answer.failure else None
        self.store.change(workflow_id, status=status, result=answer, finished_s=NOW_S + 5, failure=failure)

    def fail(self, workflow_id: UUID, code: str) -> None:
        """End a workflow with a failure."""
        failure = Failure(code=code, message="it cannot be done", remedy="do something else", param="cluster_id")
        self.end(workflow_id, Recommendation(workflow_id=str(workflow_id), completion=Completion.FAILED, clusters=(), failure=failure))

    def report(self, cluster: Cluster) -> None:
        """Let a cluster be known."""
        self.store.clusters[cluster.id] = StoredCluster(cluster=cluster, updated_s=NOW_S)


@asynccontextmanager
async def open_office(*, admission_limit: int = 1000) -> AsyncIterator[Office]:
    """Serve the web view over fakes."""
    store, broker, news, outbox = FakeStore(), FakeBroker(), FakeNews(), FakeOutbox()
    checks = {"postgresql": True, "kafka": True}
    messages = KafkaMessages(prefix="t.", clock=FakeClock(NOW_S))

    async def alive() -> dict[str, bool]:
        return dict(checks)

    ports = AdmissionPorts(identities=FakeIdentities(), known=store, workflows=store, publisher=broker)
    parts = WebParts(
        admission=Admission(ports, limit=admission_limit),
        workflows=store,
        queries=store,
        clusters=FakeClusters(store),
        tokens=FakeTokens(store),
        feedback=FeedbackTaker(blacklists=store, outbox=outbox, messages=messages),  # type: ignore[arg-type]
        outbox=outbox,
        news=news,
        publisher=broker,
        messages=messages,
        clock=FakeClock(NOW_S),
        defaults=DEFAULTS,
        health=Health(alive=alive, ready=alive),
    )
    async with TestClient(ServerAsInProduction(build(parts))) as client:
        yield Office(client=client, store=store, broker=broker, news=news, outbox=outbox, checks=checks)


def view_of(request: SimulationRequest | None, *, created_s: float) -> WorkflowView:
    """Return a workflow that has just come."""
    return WorkflowView(
        id=request.workflow_id if request else uuid4(),
        status=WorkflowStatus.PENDING,
        project_id=request.project_id if request else None,
        cluster_id=request.cluster_id if request else None,
        model=request.model_uri if request else "",
        parts_total=0,
        parts_done=0,
        created_s=created_s,
        finished_s=None,
        failure=None,
        result=None,
    )


def _wanted(view: WorkflowView, wanted: WorkflowFilter) -> bool:
    equal = (
        (view.status, wanted.status),
        (view.project_id, wanted.project_id),
        (view.cluster_id, wanted.cluster_id),
        (view.model, wanted.model),
    )
    return (
        all(value in (None, found) for found, value in equal)
        and (wanted.projects is None or view.project_id in wanted.projects)
        and (wanted.clusters is None or view.cluster_id in wanted.clusters)
        and (wanted.created_from_s is None or view.created_s >= wanted.created_from_s)
        and (wanted.created_before_s is None or view.created_s < wanted.created_before_s)
    )


def _best(workflow_id: UUID, answer: Recommendation) -> Iterator[BestConfiguration]:
    for cluster in answer.clusters:
        for ranked in cluster.deployed:
            found = ranked.configuration
            yield BestConfiguration(
                workflow_id=workflow_id,
                cluster_id=cluster.cluster_id,
                engine=ranked.part.engine.kind.value,
                device_name=ranked.part.group.device_name,
                tensor_parallel=found.candidate.tensor_parallel,
                pipeline_parallel=found.candidate.pipeline_parallel,
                replicas=ranked.replicas,
                ttft_s=found.ttft_s,
                throughput_per_user=found.throughput_per_user,
                cost_per_million_tokens=found.cost_per_million_tokens,
                meets_slo=found.meets_slo,
                is_blacklisted=False,
            )
