"""create_*_app(settings): the only place that joins the parts."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

import faust
from aiohttp import web
from prometheus_client import REGISTRY
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.blacklist import blacklist_route
from agents.clusters import clusters_route, prices_route
from agents.evaluate import evaluate_route
from agents.feedback import feedback_route
from agents.gather import gather_route
from agents.plan import plan_route
from agents.search import search_route
from budsim.adapters.clock import SystemClock
from budsim.adapters.kafka_probe import KafkaProbe
from budsim.adapters.model_sets import SetFolders
from budsim.adapters.model_sources import HubOptions, ModelSources
from budsim.adapters.part_search import PartSearch
from budsim.adapters.process_pool import ProcessPool
from budsim.adapters.topic_admin import KafkaTopicEnds
from budsim.adapters.wire.messages import KafkaMessages
from budsim.adapters.wire.requests import RequestDefaults
from budsim.config import Settings
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.search.part import PartResult, SearchTask
from budsim.services.admission import Admission, AdmissionPorts
from budsim.services.background import DeadlineTimer, OutboxSweeper
from budsim.services.clusters import ClusterKeeper, PriceKeeper
from budsim.services.evaluate import Evaluator
from budsim.services.feedback import FeedbackTaker
from budsim.services.gather import Gatherer
from budsim.services.plan import Planner, PlanPorts
from budsim.services.ports import ComputePool
from budsim.services.search import Searcher
from budsim.services.split import SplitPolicy
from budsim.storage.blacklist import PostgresBlacklists
from budsim.storage.clusters import PostgresClusters, PostgresPrices
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.heartbeat import PostgresHeartbeat
from budsim.storage.identities import PostgresIdentities
from budsim.storage.notifications import WorkflowNews
from budsim.storage.outbox import PostgresOutbox
from budsim.storage.queries import WorkflowQueries
from budsim.storage.tokens import PostgresTokens
from budsim.storage.workflows import PostgresWorkflows
from budsim.stream import compat
from budsim.stream.codec import Codec
from budsim.stream.fuse import Fuse
from budsim.stream.health import FlowProbe
from budsim.stream.logs import configure
from budsim.stream.loop import MessageLoop, RetryPolicy, Route
from budsim.stream.metrics import SWEPT, LagCollector
from budsim.stream.producer import KafkaPublisher
from budsim.stream.worker import ClosingApp, WorkerOptions, at_stop, attach, create_faust_app, register
from budsim.web.application import WebParts, build
from budsim.web.health import Health, serve_health
from tables import blacklist as blacklist_table
from topics import catalogue
from topics.blacklist_updates import BlacklistUpdated
from topics.clusters import ClusterUpdated
from topics.evaluations import EvaluationRequested
from topics.feedback import FeedbackGiven
from topics.prices import PriceUpdated
from topics.searches import SearchRequested
from topics.simulation_requests import SimulationRequested
from topics.workflow_events import WorkflowEvent

E = TypeVar("E", bound=BaseModel)
Compute = Callable[[SearchTask], PartResult]
POOL_LOOK_S = 2.0  # how soon a process that was killed while idle is replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that touches PostgreSQL, and the way to Kafka."""

    workflows: PostgresWorkflows
    heartbeat: PostgresHeartbeat
    clusters: PostgresClusters
    prices: PostgresPrices
    blacklists: PostgresBlacklists
    outbox: PostgresOutbox
    publisher: KafkaPublisher
    messages: KafkaMessages
    clock: SystemClock
    engine: AsyncEngine

    async def close(self) -> None:
        """Close every connection to Kafka and PostgreSQL."""
        await self.publisher.stop()
        await self.engine.dispose()


def create_stores(settings: Settings) -> Stores:
    """Join stores, outbox and publisher."""
    clock = SystemClock()
    messages = KafkaMessages(prefix=settings.topic_prefix, clock=clock, max_value_bytes=settings.max_value_bytes)
    publisher = KafkaPublisher(settings.kafka)
    engine = create_engine(settings.database_url)
    sessions = create_sessions(engine)
    return Stores(
        workflows=PostgresWorkflows(sessions, messages),
        heartbeat=PostgresHeartbeat(sessions),
        clusters=PostgresClusters(sessions),
        prices=PostgresPrices(sessions),
        blacklists=PostgresBlacklists(sessions, clock=clock, ttl_s=settings.blacklist_ttl_s),
        outbox=PostgresOutbox(sessions, publisher),
        publisher=publisher,
        messages=messages,
        clock=clock,
        engine=engine,
    )


def topic_specs(settings: Settings) -> tuple[catalogue.TopicSpec, ...]:
    """Return every topic these settings need."""
    counts = catalogue.PartitionCounts(
        by_key=settings.partitions_by_key, searches=settings.partitions_searches, workflows=settings.partitions_workflows
    )
    changelog = catalogue.changelog_topic(settings.eval_app_id, blacklist_table.NAME)
    return catalogue.topic_specs(settings.topic_prefix, counts, (changelog,))


def request_defaults(settings: Settings) -> RequestDefaults:
    """Return what settings decide for silent requests."""
    return RequestDefaults(method=settings.default_simulation_method, deadline_s=settings.deadline_s, source_topics=settings.source_topics)


def split_policy(settings: Settings) -> SplitPolicy:
    """Return what settings decide for splitting."""
    return SplitPolicy(
        images=settings.images,
        engine_versions=settings.engine_versions,
        usd_per_hour=settings.usd_per_hour,
        skip_master_for_cpu=settings.skip_master_node_for_cpu,
        stale_after_s=settings.stale_topology_s,
        model_sets=set_folders(settings).policy(shadow_share=settings.shadow_share, ab_share=settings.ab_share),
    )


def set_folders(settings: Settings) -> SetFolders:
    """Return where the model sets lie."""
    return SetFolders(
        primary=settings.pretrained_models_dir.absolute(),
        second=settings.shadow_models.absolute() if settings.shadow_models else None,
        more=settings.model_sets_dir.absolute() if settings.model_sets_dir else None,
    )


def part_search(settings: Settings) -> PartSearch:
    """Return the search of one part with these settings' model sets."""
    return PartSearch(folders=set_folders(settings))


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return what settings decide for tries."""
    return RetryPolicy(
        attempts=settings.retry_attempts,
        first_delay_s=settings.retry_first_delay_s,
        attempt_s=settings.retry_attempt_s,
        total_s=settings.retry_total_s,
    )


def create_models(settings: Settings) -> ModelSources:
    """Return the sources of model shapes."""
    token = settings.hub_token.get_secret_value() if settings.hub_token else None
    hub = HubOptions(
        enabled=settings.hub_enabled,
        offline=settings.hub_offline,
        token=token,
        cache_folder=settings.hub_cache,
        timeout_s=settings.hub_timeout_s,
    )
    return ModelSources(registry=settings.model_registry_dir, hub=hub)


def create_flow_app(settings: Settings) -> faust.App:
    """Join plan, gather, feedback, clusters and prices."""
    app, loop, stores = _worker(settings, settings.flow_app_id)
    ends = cluster_ends(settings)
    _register(app, settings, loop, flow_routes(settings, stores, ends))
    timer = DeadlineTimer(workflows=stores.workflows, heartbeat=stores.heartbeat, outbox=stores.outbox, clock=stores.clock)
    attach(app, "deadlines", timer.run)
    sweeper = OutboxSweeper(stores.outbox, older_than_s=settings.sweep_age_s, clock=stores.clock, count=SWEPT.inc)
    attach(app, "sweeper", sweeper.run)
    _attach_health(app, settings, loop, stores)
    at_stop(app, ends.stop, stores.close)
    return app


def cluster_ends(settings: Settings) -> KafkaTopicEnds:
    """Return how far clusters.v1 reaches."""
    return KafkaTopicEnds(settings.kafka, settings.topic_prefix + catalogue.CLUSTERS)


def flow_routes(settings: Settings, stores: Stores, ends: KafkaTopicEnds) -> dict[str, Route[Any]]:
    """Return what the control plane does, by topic."""
    planner = Planner(_plan_ports(settings, stores, ends), split_policy(settings), cluster_wait_s=settings.cluster_wait_s)
    gatherer = Gatherer(workflows=stores.workflows, outbox=stores.outbox, messages=stores.messages, clock=stores.clock)
    feedback = FeedbackTaker(blacklists=stores.blacklists, outbox=stores.outbox, messages=stores.messages)
    keeper = ClusterKeeper(clusters=stores.clusters, clock=stores.clock)
    return {
        catalogue.SIMULATION_REQUESTS: plan_route(
            planner, stores.messages, request_defaults(settings), _codec(settings, SimulationRequested)
        ),
        catalogue.WORKFLOW_EVENTS: gather_route(gatherer, _inner_codec(WorkflowEvent)),
        catalogue.FEEDBACK: feedback_route(feedback, stores.messages, _codec(settings, FeedbackGiven)),
        catalogue.CLUSTERS: clusters_route(keeper, _codec(settings, ClusterUpdated)),
        catalogue.PRICES: prices_route(PriceKeeper(prices=stores.prices, clock=SystemClock()), _codec(settings, PriceUpdated)),
    }


def _plan_ports(settings: Settings, stores: Stores, ends: KafkaTopicEnds) -> PlanPorts:
    return PlanPorts(
        models=create_models(settings),
        clusters=stores.clusters,
        cluster_ends=ends,
        workflows=stores.workflows,
        blacklists=stores.blacklists,
        prices=stores.prices,
        outbox=stores.outbox,
        messages=stores.messages,
        clock=stores.clock,
    )


def create_eval_app(settings: Settings, *, compute: Compute | None = None) -> faust.App:
    """Join evaluate, search and the blacklist table; `compute` runs in the pool's processes, the search of a part unless told."""
    app, loop, stores = _worker(settings, settings.eval_app_id)
    pool = ProcessPool(settings.pool_size, warm=part_search(settings).warm)
    table = app.Table(
        blacklist_table.NAME,
        key_type=blacklist_table.KEY_TYPE,
        value_type=blacklist_table.VALUE_TYPE,
        partitions=settings.partitions_by_key,
    )
    _register(app, settings, loop, eval_routes(settings, stores, table=table, pool=pool, compute=compute))
    attach(app, "pool", lambda: keep_warm(pool))
    _attach_health(app, settings, loop, stores, pool)
    at_stop(app, pool.close, stores.close)
    return app


def eval_routes(
    settings: Settings,
    stores: Stores,
    *,
    table: MutableMapping[bytes, bytes],
    pool: ComputePool,
    compute: Compute | None = None,
) -> dict[str, Route[Any]]:
    """Return what the computing does, by topic."""
    evaluator = Evaluator(
        workflows=stores.workflows,
        blacklists=stores.blacklists,
        memory=AnalyticMemory(),
        messages=stores.messages,
        clock=stores.clock,
        max_attempts=settings.max_attempts,
    )
    searcher = Searcher(
        workflows=stores.workflows,
        pool=pool,
        messages=stores.messages,
        compute=compute or part_search(settings),
        max_attempts=settings.max_attempts,
    )
    return {
        catalogue.EVALUATIONS: evaluate_route(evaluator, table, _inner_codec(EvaluationRequested)),
        catalogue.SEARCHES: search_route(
            searcher,
            _inner_codec(SearchRequested),
            places=settings.pool_size + 1,  # one more than processes: the next is claimed and ready when one ends
        ),
        catalogue.BLACKLIST_UPDATES: blacklist_route(table, _inner_codec(BlacklistUpdated)),
    }


def _register(app: faust.App, settings: Settings, loop: MessageLoop, routes: dict[str, Route[Any]]) -> None:
    for topic, route in routes.items():
        register(app, settings.topic_prefix + topic, loop, route)


def _codec(settings: Settings, event: type[E]) -> Codec[E]:
    return Codec(event, max_value_bytes=settings.max_value_bytes)


def _inner_codec(event: type[E]) -> Codec[E]:
    """Read what BudSim itself wrote, which may be larger than what callers may send: whatever the broker takes."""
    return Codec(event, max_value_bytes=catalogue.MAX_INNER_BYTES)


def _worker(settings: Settings, app_id: str) -> tuple[ClosingApp, MessageLoop, Stores]:
    compat.install()
    configure(settings.log_level, as_json=settings.log_format == "json")
    stores = create_stores(settings)
    options = WorkerOptions(
        app_id=app_id,
        data_folder=settings.data_folder / "faust" / (settings.instance_id or "worker"),
        store=settings.table_store,
        table_partitions=settings.partitions_by_key,
        instance_id=settings.instance_id,
    )
    options.data_folder.mkdir(parents=True, exist_ok=True)  # Faust makes only the last folder of the path
    app = create_faust_app(settings.kafka, options)
    loop = MessageLoop(
        publisher=stores.publisher,
        dead_letter_topic=settings.topic_prefix + catalogue.DEAD_LETTERS,
        flow_active=lambda: bool(app.flow_control.is_active()),
        policy=retry_policy(settings),
        fuse=Fuse(window=settings.fuse_window, share=settings.fuse_share, cool_down_s=settings.fuse_cool_down_s),
    )
    return app, loop, stores


def _attach_health(app: faust.App, settings: Settings, loop: MessageLoop, stores: Stores, pool: ProcessPool | None = None) -> None:
    if settings.health_port:
        probe = FlowProbe(app, holding=lambda: loop.holding)
        REGISTRY.register(LagCollector(probe.lag))
        health = worker_health(probe, stores.workflows.now_s, pool)
        attach(app, "health", lambda: serve_health(health, host=settings.host, port=settings.health_port))


def worker_health(probe: FlowProbe, ask_postgresql: Callable[[], Awaitable[Any]], pool: ProcessPool | None) -> Health:
    """Return what a worker says of itself; one that computes has a pool whose processes must live and have their models."""

    async def alive() -> dict[str, bool]:
        return probe.alive()

    async def ready() -> dict[str, bool]:
        computing = {} if pool is None else {"pool": len(pool.pids) == pool.size, "models": pool.is_warm}
        return {**probe.ready(), "postgresql": await answers(ask_postgresql), **computing}

    return Health(alive=alive, ready=ready)


async def answers(question: Callable[[], Awaitable[Any]]) -> bool:
    """Whether a dependency answers."""
    from budsim.core.errors import Unavailable

    try:
        await asyncio.wait_for(question(), 2.0)
    except (Unavailable, TimeoutError):
        return False
    return True


async def keep_warm(pool: ProcessPool) -> None:
    """Keep every process of the pool alive and its models loaded; the pool itself ends with the worker, not with a crash in here."""
    while True:
        await pool.start()
        await asyncio.sleep(POOL_LOOK_S)


def create_web_app(settings: Settings) -> web.Application:
    """Join the HTTP view."""
    configure(settings.log_level, as_json=settings.log_format == "json")
    stores = create_stores(settings)
    sessions = create_sessions(create_engine(settings.database_url))
    queries = WorkflowQueries(sessions)
    probe = KafkaProbe(settings.kafka)

    async def alive() -> dict[str, bool]:
        postgresql, kafka = await asyncio.gather(answers(stores.workflows.now_s), answers(probe.ask))
        return {"postgresql": postgresql, "kafka": kafka}

    # a held identity waits for the broker: it must not keep the readers' connections meanwhile
    identities = PostgresIdentities(create_sessions(create_engine(settings.database_url)))
    ports = AdmissionPorts(identities=identities, known=queries, workflows=stores.workflows, publisher=stores.publisher)
    return build(
        WebParts(
            admission=Admission(ports, limit=settings.admission_limit),
            workflows=stores.workflows,
            queries=queries,
            clusters=stores.clusters,
            tokens=PostgresTokens(sessions),
            feedback=FeedbackTaker(blacklists=stores.blacklists, outbox=stores.outbox, messages=stores.messages),
            outbox=stores.outbox,
            news=WorkflowNews(settings.database_url),
            publisher=stores.publisher,
            messages=stores.messages,
            clock=stores.clock,
            defaults=request_defaults(settings),
            health=Health(alive=alive, ready=alive),
        )
    )
