"""Each fix on Faust's own classes, as they come and mended: as they come they lose or wrongly commit events."""

import asyncio
import importlib.util
from types import ModuleType, SimpleNamespace
from typing import Any

import faust
import pytest
from faust.tables import recovery as recovery_module
from faust.transport import consumer as consumer_module
from faust.transport.drivers import aiokafka as driver_module
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode.utils.queues import FlowControlQueue

from budsim.stream import compat

PLACE = TP("greetings", 0)
AS_IT_COMES_AND_MENDED = pytest.mark.parametrize("mended", [False, True], ids=["as it comes", "mended"])


def pristine(module: ModuleType) -> Any:
    """A second copy of a Faust module, untouched by fixes this process may have installed."""
    spec = importlib.util.spec_from_file_location(f"pristine_{module.__name__.rsplit('.', 1)[-1]}", module.__file__ or "")
    assert spec and spec.loader
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


@pytest.fixture
def app() -> faust.App:
    app = faust.App("compat", broker="kafka://127.0.0.1:1", store="memory://", autodiscover=False)
    app.topics.acks_enabled_for = lambda topic: True
    return app


def make_consumer(app: faust.App, *fixes: Any) -> Any:
    """Faust's consumer with its thread and its broker left out."""

    class Consumer(pristine(consumer_module).Consumer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(app.transport, callback=lambda message: None, on_partitions_revoked=None, on_partitions_assigned=None)
            self.committed: dict[TP, int] = {}

        def assignment(self) -> set[TP]:
            return {PLACE}

        async def _commit_offsets(self, offsets: dict[TP, int], start_new_transaction: bool = True) -> bool:
            self.committed.update(offsets)
            self._committed_offset.update(offsets)
            return True

        async def _handle_attached(self, offsets: dict[TP, int]) -> None: ...

    Consumer.__abstractmethods__ = frozenset()
    for fix in fixes:
        fix(Consumer)
    return Consumer()


def message(offset: int, *, tracked: bool = True) -> ConsumerMessage:
    made = ConsumerMessage("greetings", 0, offset, 0.0, 0, None, b"k", b"v", None, tp=PLACE)
    made.tracked = tracked
    return made


def deliver(consumer: Any, *offsets: int) -> dict[int, ConsumerMessage]:
    messages = {offset: message(offset) for offset in offsets}
    for item in messages.values():
        consumer.track_message(item)
    return messages


async def committed(consumer: Any) -> int | None:
    await consumer.commit()
    return consumer.committed.get(PLACE)


@AS_IT_COMES_AND_MENDED
async def test_606_a_commit_never_passes_a_message_still_in_hand_at_the_committed_offset(app: faust.App, mended: bool) -> None:
    consumer = make_consumer(app, *[compat.fix_acknowledged_gap] * mended)
    consumer._committed_offset[PLACE] = 5
    messages = deliver(consumer, 5, 6, 7)
    consumer.ack(messages[6])
    consumer.ack(messages[7])
    assert await committed(consumer) == (None if mended else 8)  # 8: a restart would begin behind message 5
    consumer.ack(messages[5])
    assert await committed(consumer) == 8


@AS_IT_COMES_AND_MENDED
async def test_606_nor_the_first_message_of_a_partition_nothing_was_committed_of(app: faust.App, mended: bool) -> None:
    consumer = make_consumer(app, *[compat.fix_acknowledged_gap] * mended)
    messages = deliver(consumer, 0, 1)
    consumer.ack(messages[1])
    assert await committed(consumer) == (None if mended else 2)
    consumer.ack(messages[0])
    assert await committed(consumer) == 2


@AS_IT_COMES_AND_MENDED
async def test_606_nor_a_message_in_hand_behind_a_compacted_gap(app: faust.App, mended: bool) -> None:
    consumer = make_consumer(app, *[compat.fix_acknowledged_gap] * mended)
    consumer._committed_offset[PLACE] = 3
    messages = deliver(consumer, 3, 8, 9)
    await consumer._add_gap(PLACE, 4, 8)  # as Faust does on reading 8 after 3: it books 8 itself as part of the gap
    consumer.ack(messages[3])
    consumer.ack(messages[9])
    assert await committed(consumer) == (4 if mended else 10)
    consumer.ack(messages[8])
    await consumer.commit()
    assert await committed(consumer) == 10


@AS_IT_COMES_AND_MENDED
async def test_502_what_was_acknowledged_before_a_revoke_is_committed_in_it(app: faust.App, mended: bool) -> None:
    consumer = make_consumer(app, *[compat.fix_revoke_order] * mended)
    consumer._committed_offset[PLACE] = 5
    for item in deliver(consumer, 5, 6).values():
        consumer.ack(item)

    async def last_commit(revoked: set[TP]) -> None:
        await consumer.commit()

    consumer._on_partitions_revoked = last_commit
    await consumer.on_partitions_revoked({PLACE})
    assert consumer.committed == ({PLACE: 7} if mended else {})  # {}: 5 and 6 are done a second time elsewhere
    books = (consumer._acked, consumer._acked_index, consumer._gap, consumer._committed_offset, consumer._read_offset)
    assert all(PLACE not in book for book in books)


@AS_IT_COMES_AND_MENDED
async def test_an_event_a_stream_skipped_is_not_committed(app: faust.App, mended: bool) -> None:
    consumer = make_consumer(app, *[compat.fix_skipped_acknowledged] * mended)
    consumer._committed_offset[PLACE] = 5
    handled = deliver(consumer, 5)[5]
    skipped = message(6, tracked=False)  # a stream tracks what it hands out; what it skips it acknowledges all the same
    consumer.ack(skipped)
    consumer.ack(handled)
    assert await committed(consumer) == (6 if mended else 7)


@AS_IT_COMES_AND_MENDED
async def test_an_empty_fetch_returns_soon(app: faust.App, mended: bool) -> None:
    thread = pristine(driver_module).AIOKafkaConsumerThread
    if mended:
        compat.shorten_fetch_wait(thread)
    starting = SimpleNamespace(app=app, consumer=SimpleNamespace(in_transaction=False))
    client = thread._create_worker_consumer(starting, app.transport)
    assert client._fetch_max_wait_ms == (compat.FETCH_WAIT_MS if mended else 1500)


class FetchingConsumer:
    """What recovery talks to: a position, and a fetcher that delivers whenever it is let."""

    def __init__(self, app: faust.App, queue: "FlowControlQueue[int]", *, first: int, end: int) -> None:
        self.app, self.queue = app, queue
        self.first, self.end, self.position = first, end, end
        self.flow_active, self.resumed = True, False

    def assignment(self) -> set[TP]:
        return {PLACE}

    def stop_flow(self) -> None:
        self.flow_active = False

    def resume_flow(self) -> None:
        self.flow_active = True

    def resume_partitions(self, places: set[TP]) -> None:
        self.resumed = PLACE in places

    async def perform_seek(self) -> None:
        self.position = self.first
        self.fetch()  # the fetcher is a task of its own: it runs as soon as the seek is done, before recovery goes on

    def fetch(self) -> None:
        while self.position < self.end and self.resumed and self.flow_active and self.app.flow_control.is_active():
            self.queue.put_nowait(self.position)
            self.position += 1


class FakeFetcher:
    async def maybe_start(self) -> None: ...


class FakeAssignor:
    def assigned_standbys(self) -> set[TP]:
        return set()


@AS_IT_COMES_AND_MENDED
@pytest.mark.parametrize("ending", ["on_recovery_completed", "_resume_streams"])
async def test_596_what_is_fetched_while_recovery_ends_reaches_the_agents(app: faust.App, ending: str, mended: bool) -> None:
    recovery_class = pristine(recovery_module).Recovery
    if mended:
        compat.fix_recovery_race(recovery_class)
    queue: FlowControlQueue[int] = FlowControlQueue(flow_control=app.flow_control, clear_on_resume=True)
    app.flow_control.resume()  # as it is while tables are restored, and for a worker that had no partitions
    app._consumer = consumer = FetchingConsumer(app, queue, first=10, end=15)
    app._fetcher = FakeFetcher()
    app._assignor = FakeAssignor()
    recovery = recovery_class(app, app.tables)
    await asyncio.wait_for(getattr(recovery, ending)(app.consumer_generation_id), 5.0)
    consumer.fetch()
    received = [queue.get_nowait() for _ in range(queue.qsize())]
    assert received == ([10, 11, 12, 13, 14] if mended else [])
    assert app.flow_control.is_active()


@AS_IT_COMES_AND_MENDED
async def test_596_nor_is_a_change_lost_that_a_standby_table_has_fetched(app: faust.App, mended: bool) -> None:
    recovery_class = pristine(recovery_module).Recovery
    if mended:
        compat.fix_recovery_race(recovery_class)
    app.flow_control.resume()
    app._consumer = FetchingConsumer(app, FlowControlQueue(flow_control=app.flow_control), first=10, end=10)
    app._fetcher = FakeFetcher()
    app._assignor = FakeAssignor()
    changes = app.tables.changelog_queue
    changes.put_nowait("a change")
    await recovery_class(app, app.tables).on_recovery_completed(app.consumer_generation_id)
    assert changes.qsize() == int(mended)
    app.flow_control.clear()  # but the next rebalance clears it like any other queue
    assert changes.empty()


async def test_a_recovery_that_a_newer_rebalance_overtook_opens_nothing(app: faust.App) -> None:
    recovery_class = pristine(recovery_module).Recovery
    compat.fix_recovery_race(recovery_class)
    queue: FlowControlQueue[int] = FlowControlQueue(flow_control=app.flow_control, clear_on_resume=True)
    app._consumer = consumer = FetchingConsumer(app, queue, first=10, end=15)
    await recovery_class(app, app.tables).on_recovery_completed(app.consumer_generation_id - 1)
    assert not consumer.resumed
    assert not app.flow_control.is_active()


@pytest.mark.parametrize(("faust_version", "aiokafka_version"), [("0.15.4", "0.14.0"), ("0.15.2", "0.14.0"), ("0.15.3", "0.15.0")])
def test_other_versions_are_refused_with_what_to_do(faust_version: str, aiokafka_version: str) -> None:
    with pytest.raises(compat.UnsupportedFaust, match=r"constraints\.txt"):
        compat.check_versions(faust_version, aiokafka_version)


def test_installing_twice_changes_nothing_more() -> None:
    compat.install()
    once = (consumer_module.Consumer._new_offset, consumer_module.Consumer.ack, recovery_module.Recovery._resume_streams)
    compat.install()
    assert once == (consumer_module.Consumer._new_offset, consumer_module.Consumer.ack, recovery_module.Recovery._resume_streams)
