"""The outbox: in order, under one lock a stream, nothing lost, nothing sent twice by a sweep."""

import asyncio

import pytest

from budsim.core.errors import InvalidInput, Unavailable
from budsim.storage.engine import Sessions, transaction
from budsim.storage.outbox import SEND_S, PostgresOutbox
from budsim.storage.values import outbox_row
from budsim.stream.holds import RetryPolicy
from tests.support.databases import Database
from tests.support.storage_values import FakePublisher, message
from tests.support.waiting import wait_until

ADVISORY_WAIT = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
UNSENT = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"


@pytest.fixture
def outbox(sessions: Sessions, publisher: FakePublisher) -> PostgresOutbox:
    return PostgresOutbox(sessions, publisher)


async def put(sessions: Sessions, stream_key: str, *values: str, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
    async with transaction(sessions) as session:
        for value in values:
            session.add(outbox_row(stream_key, message(value, headers=headers)))
            await session.flush()


async def test_messages_of_a_stream_leave_in_the_order_they_were_put_and_once(sessions, outbox, publisher):
    await put(sessions, "w1", *(str(number) for number in range(20)))
    await put(sessions, "w2", "other")
    assert await outbox.publish("w1") == 20
    assert await outbox.publish("w1") == 0
    assert publisher.sent == [str(number) for number in range(20)]


async def test_headers_of_any_bytes_come_out_as_they_went_in(sessions, outbox, publisher):
    headers = (("traceparent", b"00-ab-cd-01"), ("raw", b"\xff\x00\xfe"))
    await put(sessions, "w1", "m", headers=headers)
    await outbox.publish("w1")
    assert publisher.headers == [headers]


async def test_two_publishers_of_one_stream_take_turns_and_send_each_message_once(sessions, outbox, publisher, migrated_database: Database):
    await put(sessions, "w1", "a", "b")
    publisher.gate.clear()
    first = asyncio.create_task(outbox.publish("w1"))
    await publisher.entered.wait()
    await put(sessions, "w1", "c")
    second = asyncio.create_task(PostgresOutbox(sessions, publisher).publish("w1"))
    await wait_until(lambda: migrated_database.fetch(ADVISORY_WAIT), what="the second to wait for the lock")
    publisher.gate.set()
    assert (await first, await second) == (2, 1)
    assert publisher.sent == ["a", "b", "c"]


async def test_streams_that_wait_together_share_one_transaction(sessions, outbox, publisher, migrated_database: Database):
    streams = [f"w{number}" for number in range(10)]
    for stream in streams:
        await put(sessions, stream, f"{stream} a", f"{stream} b")
    assert await asyncio.gather(*map(outbox.publish, streams)) == [2] * 10
    for stream in streams:
        assert [value for value in publisher.sent if value.startswith(f"{stream} ")] == [f"{stream} a", f"{stream} b"]
    assert (await migrated_database.fetch("SELECT count(DISTINCT xmin::text) FROM outbox WHERE sent_at IS NOT NULL"))[0][0] == 1


async def test_a_stream_whose_topic_is_away_fails_alone_and_holds_the_next_round_up_for_a_moment_only(sessions, outbox, publisher):
    away = asyncio.Event()

    class Away(FakePublisher):
        async def publish(self, messages):
            if messages[0].value == b"away":
                await away.wait()
                raise Unavailable("the topic is away")
            await super().publish(messages)

    publisher = Away()
    outbox = PostgresOutbox(sessions, publisher)
    for stream in ("away", "with it", "after it"):
        await put(sessions, stream, stream)
    stuck, beside = asyncio.create_task(outbox.publish("away")), asyncio.create_task(outbox.publish("with it"))
    await wait_until(lambda: publisher.sent == ["with it"], what="the neighbour to be sent")
    assert await asyncio.wait_for(outbox.publish("after it"), 5.0) == 1
    away.set()
    assert await beside == 1
    with pytest.raises(Unavailable):
        await stuck


async def test_a_refused_message_is_its_own_streams_error(sessions, outbox, publisher):
    await put(sessions, "huge", "too large")
    await put(sessions, "fine", "f")
    publisher.refusals["too large"] = InvalidInput("a message is too large")
    huge, fine = await asyncio.gather(outbox.publish("huge"), outbox.publish("fine"), return_exceptions=True)
    assert isinstance(huge, InvalidInput)
    assert fine == 1


async def test_a_caller_that_gives_up_does_not_stop_the_round(sessions, outbox, publisher):
    await put(sessions, "w1", "a")
    publisher.gate.clear()
    first, second = asyncio.create_task(outbox.publish("w1")), asyncio.create_task(outbox.publish("w1"))
    await publisher.entered.wait()
    first.cancel()
    publisher.gate.set()
    assert await second == 1


async def test_a_stream_is_not_held_up_by_another(sessions, outbox, publisher):
    other = FakePublisher()
    await put(sessions, "slow", "s")
    await put(sessions, "quick", "q")
    publisher.gate.clear()
    slow = asyncio.create_task(outbox.publish("slow"))
    await publisher.entered.wait()
    assert await asyncio.wait_for(PostgresOutbox(sessions, other).publish("quick"), 5.0) == 1
    publisher.gate.set()
    assert await slow == 1


async def test_what_the_broker_did_not_take_stays_unsent_and_leaves_later(sessions, outbox, publisher, migrated_database: Database):
    await put(sessions, "w1", "a")
    publisher.refusals["a"] = Unavailable("Kafka is away")
    with pytest.raises(Unavailable):
        await outbox.publish("w1")
    assert (await migrated_database.fetch(UNSENT))[0][0] == 1
    publisher.refusals.clear()
    assert await outbox.publish("w1") == 1


async def test_while_messages_are_on_their_way_no_row_is_locked(sessions, outbox, publisher, migrated_database: Database):
    await put(sessions, "w1", "a")
    publisher.gate.clear()
    sending = asyncio.create_task(outbox.publish("w1"))
    await publisher.entered.wait()
    assert len(await migrated_database.fetch("SELECT id FROM outbox FOR UPDATE NOWAIT")) == 1
    publisher.gate.set()
    assert await sending == 1


async def test_a_broker_that_does_not_answer_is_given_up_well_within_one_attempt_and_the_stream_is_free_again(
    sessions, publisher, outbox, migrated_database: Database, monkeypatch
):
    assert RetryPolicy().attempt_s > 2 * SEND_S  # one send may have to wait for another
    monkeypatch.setattr("budsim.storage.outbox.SEND_S", 0.1)
    await put(sessions, "w1", "a")
    publisher.gate.clear()
    with pytest.raises(Unavailable):
        await outbox.publish("w1")
    assert (await migrated_database.fetch(UNSENT))[0][0] == 1
    publisher.gate.set()
    assert await outbox.publish("w1") == 1


async def test_a_sweep_sends_what_is_old_and_leaves_what_is_new(sessions, outbox, publisher, migrated_database: Database):
    await put(sessions, "old", "o1", "o2")
    await migrated_database.fetch("UPDATE outbox SET created_at = now() - interval '11 seconds'")
    await put(sessions, "new", "n")
    assert await outbox.sweep(older_than_s=10.0, limit=10) == 2
    assert publisher.sent == ["o1", "o2"]


async def test_a_sweep_passes_over_a_stream_that_is_being_sent(sessions, outbox, publisher):
    await put(sessions, "busy", "b")
    await put(sessions, "left", "l")
    publisher.gate.clear()
    busy = asyncio.create_task(outbox.publish("busy"))
    await publisher.entered.wait()
    sweeping = FakePublisher()
    assert await asyncio.wait_for(PostgresOutbox(sessions, sweeping).sweep(older_than_s=0.0, limit=10), 5.0) == 1
    publisher.gate.set()
    await busy
    assert (sweeping.sent, publisher.sent) == (["l"], ["b"])


async def test_a_sweep_takes_the_oldest_streams_first_and_no_more_than_its_limit(sessions, outbox, publisher):
    for stream in ("c", "a", "b"):
        await put(sessions, stream, stream)
    assert await outbox.sweep(older_than_s=0.0, limit=2) == 2
    assert publisher.sent == ["c", "a"]


async def test_a_message_no_broker_takes_does_not_stop_the_sweep_of_other_streams(sessions, outbox, publisher, migrated_database: Database):
    await put(sessions, "huge", "too large")
    await put(sessions, "fine", "f")
    publisher.refusals["too large"] = InvalidInput("a message is too large")
    assert await outbox.sweep(older_than_s=0.0, limit=10) == 1
    assert publisher.sent == ["f"]
    assert (await migrated_database.fetch(UNSENT))[0][0] == 1


async def test_pruning_removes_what_was_sent_long_ago_and_nothing_unsent(sessions, outbox, migrated_database: Database):
    await put(sessions, "w1", "sent")
    await outbox.publish("w1")
    await put(sessions, "w1", "unsent")
    await migrated_database.fetch("UPDATE outbox SET created_at = now() - interval '3 days', sent_at = sent_at - interval '2 days'")
    await outbox.prune()
    assert [row["value"] for row in await migrated_database.fetch("SELECT value FROM outbox")] == [b"unsent"]
