"""Every message ends in exactly one of result, retry, dead letter; a suspended flow gives it up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from budsim.core.errors import BudSimError, InvalidInput, ModelNotFound, Unavailable
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import DecodeFailure
from budsim.stream.fuse import Fuse
from budsim.stream.loop import GivenUp, Outcome
from tests.support.stream_fakes import ANSWER, DEAD_LETTERS, POLICY, Desk, FakePublisher, record


async def test_a_result_is_published_once() -> None:
    desk = Desk()
    assert await desk.conclude() is Outcome.RESULT
    assert desk.publisher.sent == [ANSWER]


@pytest.mark.parametrize("error", [InvalidInput("name is too long", remedy="shorten it"), ModelNotFound("no such model")])
async def test_invalid_input_is_dead_lettered_at_once_and_the_caller_is_told(error: BudSimError) -> None:
    desk = Desk()
    desk.script = [error]
    assert await desk.conclude() is Outcome.DEAD_LETTER
    assert (desk.calls, desk.time.now_s) == (1, 1000.0)
    assert desk.publisher.topics() == [DEAD_LETTERS, "news"]
    assert desk.reason() == str(error)
    assert dict(desk.publisher.dead()[0].headers)["dlq_attempts"] == b"1"


async def test_what_cannot_be_decoded_is_dead_lettered_and_told_without_a_call() -> None:
    desk = Desk()
    assert await desk.conclude(b"{") is Outcome.DEAD_LETTER
    assert desk.calls == 0
    assert desk.publisher.topics() == [DEAD_LETTERS, "news"]
    assert "not JSON" in desk.reason()


async def test_an_unexpected_error_is_retried_after_one_and_two_seconds_and_then_dead_lettered() -> None:
    desk = Desk()
    desk.script = [KeyError("a"), KeyError("b"), KeyError("c")]
    assert await desk.conclude() is Outcome.DEAD_LETTER
    assert desk.calls == 3
    assert desk.time.now_s == pytest.approx(1003.0)  # 1 s + 2 s
    assert desk.publisher.topics() == [DEAD_LETTERS, "news"]
    assert desk.reason().startswith("KeyError: 'c'")
    assert dict(desk.publisher.dead()[0].headers)["dlq_error"] == b"KeyError"


async def test_a_retry_that_succeeds_leaves_a_result_and_no_dead_letter() -> None:
    desk = Desk()
    desk.script = [KeyError("a")]
    assert await desk.conclude() is Outcome.RESULT_AFTER_RETRY
    assert desk.publisher.sent == [ANSWER]


async def test_no_attempt_begins_once_attempts_and_delays_have_taken_thirty_seconds() -> None:
    desk = Desk()

    async def slow() -> None:
        await desk.time.sleep(29.0)  # and 1 s of delay: 30 s
        raise KeyError("slow")

    desk.script = [slow]
    assert await desk.conclude() is Outcome.DEAD_LETTER
    assert desk.calls == 1


async def forever() -> None:
    await asyncio.Event().wait()


async def test_an_attempt_that_takes_too_long_is_cut_retried_and_named() -> None:
    desk = Desk(policy=replace(POLICY, attempt_s=0.02))
    desk.script = [forever, forever, forever]
    assert await desk.conclude() is Outcome.DEAD_LETTER
    assert desk.calls == 3
    assert desk.reason().startswith("TimeoutError: no outcome within 0.02 s")


async def test_waiting_for_a_place_to_compute_is_no_part_of_an_attempt() -> None:
    desk = Desk(policy=replace(POLICY, attempt_s=0.2, total_s=0.3), places=1)

    process = asyncio.Lock()

    async def nearly_too_long() -> None:
        async with process:
            await asyncio.sleep(0.12)

    desk.script = [nearly_too_long] * 4
    assert await asyncio.gather(*(desk.conclude() for _ in range(4))) == [Outcome.RESULT] * 4
    assert desk.calls == 4


async def test_a_message_that_waits_for_a_place_is_given_up_when_the_flow_is_suspended_and_the_place_is_free_again() -> None:
    desk = Desk(places=1)
    desk.script = [forever]
    first, second = (asyncio.create_task(desk.conclude()) for _ in range(2))
    await asyncio.sleep(0)
    desk.flow.suspend()
    assert [type(ended) for ended in await asyncio.gather(first, second, return_exceptions=True)] == [GivenUp, GivenUp]
    assert (desk.calls, desk.places.locked()) == (1, False)


async def test_an_outage_costs_no_attempt_and_no_retry_time() -> None:
    desk = Desk()
    desk.script = [*[Unavailable("PostgreSQL is away")] * 200, KeyError("a"), KeyError("b"), None]
    assert await desk.conclude() is Outcome.RESULT_AFTER_RETRY
    assert desk.calls == 203
    assert desk.time.now_s > 1000 + 300  # far beyond the 30 s of retries
    assert desk.publisher.sent == [ANSWER]
    assert desk.loop.holding == 0


async def test_while_kafka_is_away_the_result_waits_and_the_work_is_not_done_again() -> None:
    desk = Desk()
    desk.publisher.away = {"answers"}
    desk.time.plan(60.0, desk.publisher.away.clear)
    assert await desk.conclude() is Outcome.RESULT
    assert desk.calls == 1
    assert desk.publisher.sent == [ANSWER]


@pytest.mark.parametrize("value", [b"{", b'{"name": "Ada"}'])
async def test_while_the_dead_letter_topic_is_away_the_message_waits_for_it(value: bytes) -> None:
    desk = Desk()
    desk.script = [InvalidInput("no")]
    desk.publisher.away = {DEAD_LETTERS}
    desk.time.plan(60.0, desk.publisher.away.clear)
    assert await desk.conclude(value) is Outcome.DEAD_LETTER
    assert desk.publisher.topics() == [DEAD_LETTERS, "news"]


async def test_a_dead_letter_its_topic_refuses_waits_and_is_not_lost() -> None:
    desk = Desk()
    desk.publisher.limit_bytes = {DEAD_LETTERS: 0}
    desk.time.plan(60.0, desk.publisher.limit_bytes.clear)
    assert await desk.conclude(b"{") is Outcome.DEAD_LETTER
    assert len(desk.publisher.dead()) == 1
    assert desk.publisher.refusals > 1


async def test_a_result_too_large_for_its_topic_is_invalid_input() -> None:
    desk = Desk()
    desk.publisher.limit_bytes = {"answers": 1}
    assert await desk.conclude() is Outcome.DEAD_LETTER
    assert desk.calls == 1
    assert desk.publisher.topics() == [DEAD_LETTERS, "news"]


@pytest.mark.parametrize("error", [Unavailable("away"), KeyError("a")])
async def test_a_hold_or_a_retry_delay_that_sees_the_flow_suspended_gives_the_message_up(error: Exception) -> None:
    desk = Desk()
    desk.script = [error] * 1000
    desk.time.plan(0.5, desk.flow.suspend)
    with pytest.raises(GivenUp):
        await desk.conclude()
    assert desk.publisher.sent == []
    assert desk.loop.holding == 0


async def test_work_in_hand_is_given_up_after_the_grace_when_the_flow_is_suspended() -> None:
    desk = Desk(policy=replace(POLICY, step_s=0.01, grace_s=0.02))
    desk.flow.suspend()
    desk.script = [forever]
    with pytest.raises(GivenUp):
        await desk.conclude()
    assert desk.publisher.sent == []


async def test_work_that_ends_within_the_grace_is_finished_and_answered() -> None:
    desk = Desk(policy=replace(POLICY, step_s=0.01, grace_s=5.0))

    async def finish_after_the_flow_is_suspended() -> None:
        desk.flow.suspend()
        finished = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, finished.set)
        await finished.wait()

    desk.script = [finish_after_the_flow_is_suspended]
    assert await desk.conclude() is Outcome.RESULT
    assert desk.publisher.sent == [ANSWER]


async def test_the_handler_runs_in_the_task_of_the_stream() -> None:
    desk, seen = Desk(), list[object]()

    async def look() -> None:
        seen.append(asyncio.current_task())

    desk.script = [look]
    await desk.conclude()
    assert seen == [asyncio.current_task()]


async def test_a_cancelled_handler_leaves_no_outcome() -> None:
    desk = Desk()
    desk.script = [forever]
    task = asyncio.create_task(desk.conclude())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.publisher.sent == []


async def test_an_error_while_telling_of_a_dead_letter_does_not_undo_it() -> None:
    desk = Desk()

    async def broken(_: DecodeFailure) -> Sequence[OutgoingMessage]:
        raise KeyError("nobody listens")

    outcome = await desk.loop.conclude(record(b"{"), replace(desk.route(), undecodable=broken))
    assert outcome is Outcome.DEAD_LETTER
    assert desk.publisher.topics() == [DEAD_LETTERS]


async def test_a_null_value_is_a_removal_where_the_route_knows_one_and_a_failure_elsewhere() -> None:
    desk = Desk()
    assert await desk.conclude(None, tombstone=True) is Outcome.RESULT
    assert await desk.conclude(None) is Outcome.DEAD_LETTER
    assert desk.calls == 1
    assert "the value is null" in desk.reason()


async def test_a_removal_that_fails_ends_in_a_dead_letter_like_any_other() -> None:
    desk = Desk()
    desk.script = [KeyError("a"), KeyError("b"), KeyError("c")]
    assert await desk.conclude(None, tombstone=True) is Outcome.DEAD_LETTER
    assert len(desk.publisher.dead()) == 1


async def test_an_open_fuse_is_a_hold_that_ends_with_its_cool_down() -> None:
    desk = Desk(fuse=Fuse(minimum=2, cool_down_s=60.0))
    desk.script = [KeyError("a")] * 6
    await desk.conclude()
    await desk.conclude()  # two messages, three attempts each, both failed: open
    opened_s, calls = desk.time.now_s, desk.calls
    assert await desk.conclude() is Outcome.RESULT
    assert desk.time.now_s == pytest.approx(opened_s + 60.0, abs=1.0)
    assert desk.calls == calls + 1
    assert not desk.fuse.is_open


async def test_invalid_input_does_not_open_the_fuse() -> None:
    desk = Desk(fuse=Fuse(minimum=2))
    desk.script = [InvalidInput("no")] * 10
    for _ in range(10):
        await desk.conclude()
    assert not desk.fuse.is_open


class FakeEvent:
    def __init__(self, offset: int) -> None:
        self.message = FakeMessage(offset)


class FakeMessage:
    topic, partition, key, value, headers, timestamp = "greetings", 0, b"k", b'{"name": "Ada"}', {"ce_id": b"1"}, 1.0

    def __init__(self, offset: int) -> None:
        self.offset = offset


class FakeStream:
    """Hands out events and keeps which were acknowledged, and how much had been published by then."""

    def __init__(self, offsets: Sequence[int], publisher: FakePublisher) -> None:
        self.waiting = [FakeEvent(offset) for offset in offsets]
        self.acknowledged: list[tuple[int, int]] = []
        self._publisher = publisher

    def noack(self) -> "FakeStream":
        return self

    async def events(self) -> AsyncIterator[FakeEvent]:
        for event in self.waiting:
            yield event

    async def ack(self, event: FakeEvent) -> None:
        self.acknowledged.append((event.message.offset, len(self._publisher.sent)))


class FakeConsumer:
    _waiting_for_ack = None

    def __init__(self, stream: FakeStream) -> None:
        self.unacked = {event.message for event in stream.waiting}


class FakeApp:
    def __init__(self, stream: FakeStream) -> None:
        self.consumer = FakeConsumer(stream)


async def test_a_message_is_acknowledged_only_after_its_results_are_with_the_broker() -> None:
    desk = Desk()
    stream = FakeStream([5, 6], desk.publisher)
    await desk.loop.run(FakeApp(stream), stream, desk.route())
    assert stream.acknowledged == [(5, 1), (6, 2)]


async def test_outcomes_an_open_fuse_and_what_was_given_up_are_seen_by_prometheus() -> None:
    def seen(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"agent": "greeter", **labels}) or 0.0

    desk = Desk(fuse=Fuse(minimum=1))
    before = seen("budsim_messages_total", outcome="dead_letter"), seen("budsim_failed_attempts_total"), seen("budsim_given_up_total")
    desk.script = [KeyError("a")] * 3
    await desk.conclude()
    assert REGISTRY.get_sample_value("budsim_fuse_open") == 1.0
    desk.flow.suspend()
    stream = FakeStream([5], desk.publisher)
    await desk.loop.run(FakeApp(stream), stream, desk.route())
    after = seen("budsim_messages_total", outcome="dead_letter"), seen("budsim_failed_attempts_total"), seen("budsim_given_up_total")
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 3, 1]


async def test_a_message_given_up_is_forgotten_unacknowledged() -> None:
    desk = Desk()
    desk.script = [Unavailable("away")] * 1000
    desk.time.plan(1.0, desk.flow.suspend)
    stream = FakeStream([5], desk.publisher)
    app = FakeApp(stream)
    await desk.loop.run(app, stream, desk.route())
    assert stream.acknowledged == []
    assert app.consumer.unacked == set()
