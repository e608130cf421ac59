"""What only a real Kafka can show of the loop."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.connection import KafkaConnection
from budsim.services.ports import OutgoingMessage
from budsim.stream.dead_letters import DeadLetter
from budsim.stream.producer import KafkaPublisher
from tests.support.stream_bench import StreamBench, ended
from tests.support.waiting import wait_until

SHUTDOWN_S = 10.0


@pytest.fixture
async def bench(kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path) -> AsyncIterator[StreamBench]:
    async with StreamBench(kafka.bootstrap, topic_prefix, tmp_path) as made:
        yield made


async def test_bad_messages_between_good_ones_each_end_in_exactly_one_outcome(bench: StreamBench) -> None:
    bad = {
        b"no-json": b"hello",
        b"shape": b'{"id": "many"}',
        b"nan": b'{"id": 1, "mood": NaN}',
        b"large": b'{"id": 1, "mood": "%s"}' % (b"x" * 600 * 1024),
        b"binary": bytes(range(256)),
        b"invalid": b'{"id": 99, "mood": "invalid"}',
        b"broken": b'{"id": 98, "mood": "broken"}',
    }
    messages = bench.greetings(range(20))
    for place, (key, value) in enumerate(bad.items()):
        messages.insert(3 * place, bench.send(key=key, value=value))
    messages += [bench.send(key=None, value=b'{"id": 20}'), bench.send(key=b"gone", value=None)]
    await bench.publisher.publish(messages)
    bench.start_worker()
    found = await bench.wait_for_answers(range(21))
    await wait_until(lambda: _count(bench, "dead-letters", len(bad)), 30.0, what="dead letters")
    assert sorted(found) == sorted([*map(str, range(21)), "removed"])

    letters = {item.key: DeadLetter.from_record(item) for item in await bench.read("dead-letters")}
    assert {key: letter.record.value for key, letter in letters.items()} == bad
    assert {letter.topic for letter in letters.values()} == {bench.prefix + "greetings"}
    assert "614,4" in letters[b"large"].reason  # 600 KB and the frame
    assert "id = 'many'" in letters[b"shape"].reason
    assert "NaN is not a JSON number" in letters[b"nan"].reason
    assert (letters[b"invalid"].error, letters[b"invalid"].attempts) == ("InvalidInput", 1)
    assert (letters[b"broken"].error, letters[b"broken"].attempts) == ("KeyError", 3)
    assert len(await bench.read("news")) == len(bad)

    await bench.publisher.publish([letters[b"broken"].replay()])
    await wait_until(lambda: _count(bench, "dead-letters", len(bad) + 1), 30.0, what="the replayed message fails again")


async def _count(bench: StreamBench, topic: str, at_least: int) -> bool:
    return len(await bench.read(topic)) >= at_least


async def test_an_outage_with_a_rebalance_and_a_shutdown_in_it_loses_and_repeats_nothing(bench: StreamBench) -> None:
    outage = bench.folder / "away"
    outage.touch()
    first = bench.start_worker()
    await wait_until(lambda: bench.health() == {"alive": True, "ready": True}, 30.0, what="the first worker is ready")
    await bench.publisher.publish(bench.greetings(range(60)))
    await wait_until(lambda: "holding" in bench.log(0), 30.0, what="a hold")
    await wait_until(lambda: bench.health() == {"alive": True, "ready": False}, 30.0, what="a hold is alive and not ready")
    bench.start_worker()
    await wait_until(lambda: bench.assigned(1), 30.0, what="the second worker is ready")
    started_s = time.monotonic()
    first.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(ended, first, SHUTDOWN_S) == 0
    assert time.monotonic() - started_s < SHUTDOWN_S
    assert await bench.answers() == []
    outage.unlink()
    assert sorted(map(int, await bench.wait_for_answers(range(60)))) == list(range(60))


async def test_orderly_restarts_under_load_lose_and_repeat_nothing(bench: StreamBench) -> None:
    async def trickle() -> None:
        for number in range(0, 240, 8):
            await bench.publisher.publish(bench.greetings(range(number, number + 8), "slow"))
            await asyncio.sleep(0.15)  # the load's own pace

    worker = bench.start_worker("only")
    load = asyncio.create_task(trickle())
    for number in range(2):
        await wait_until(lambda place=number: bench.assigned(place), 30.0, what="a worker is ready")
        await wait_until(lambda before=100 * number: _count(bench, "answers", before + 20), 30.0, what="some answers")
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(ended, worker, SHUTDOWN_S) == 0
        worker = bench.start_worker("only")
    await load
    assert sorted(map(int, await bench.wait_for_answers(range(240)))) == list(range(240))


async def test_work_without_end_is_given_up_at_shutdown_and_not_committed(bench: StreamBench) -> None:
    worker = bench.start_worker()
    await wait_until(bench.assigned, 30.0, what="the worker is ready")
    endless = bench.send(key=b"k", value=json.dumps({"id": 1, "mood": "endless"}).encode())
    await bench.publisher.publish([bench.send(key=b"k", value=b'{"id": 0}'), endless])
    await bench.wait_for_answers([0])
    await wait_until(lambda: bench.health().get("alive") is False, 30.0, what="a worker that does not move is not alive")
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(ended, worker, SHUTDOWN_S) == 0
    assert "given up, to be read again" in bench.log()
    assert "Unclosed" not in bench.log()
    assert sum(offset for offset in (await bench.committed()).values() if offset > 0) == 1


async def test_a_background_task_that_crashed_is_started_again(bench: StreamBench) -> None:
    bench.start_worker()
    beats = bench.folder / "beats"
    await wait_until(lambda: beats.exists() and beats.read_text(encoding="utf-8") == "beating", 30.0, what="the heart beats")
    assert "the heart stumbles once" in bench.log()


async def test_messages_of_one_call_keep_their_order(bench: StreamBench) -> None:
    numbers = [str(number).encode() for number in range(200)]
    await bench.publisher.publish([bench.send(key=b"one", value=number) for number in numbers])
    await asyncio.gather(*(bench.publisher.publish([bench.send(key=b"one", value=b"later")]) for _ in range(5)))
    assert [item.value for item in await bench.read("greetings")] == [*numbers, *[b"later"] * 5]


async def test_a_message_beyond_two_megabytes_is_invalid_and_the_next_one_passes(bench: StreamBench) -> None:
    with pytest.raises(InvalidInput, match="too large"):
        await bench.publisher.publish([bench.send(key=b"k", value=b"x" * (2 * 1024 * 1024 + 1))])
    await bench.publisher.publish([bench.send(key=b"k", value=b"small")])
    assert [item.value for item in await bench.read("greetings")] == [b"small"]


async def test_a_topic_that_does_not_exist_is_a_hold_and_others_go_on(bench: StreamBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budsim.stream.producer.METADATA_S", 1.0)
    with pytest.raises(Unavailable, match="nowhere"):
        await bench.publisher.publish([OutgoingMessage(topic=bench.prefix + "nowhere", key=b"k", value=b"v")])
    await bench.publisher.publish([bench.send(key=b"k", value=b"v")])
    assert len(await bench.read("greetings")) == 1


@pytest.fixture
def mortal_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own: it is stopped in between."""
    server = EmbeddedKafka(tmp_path / "kafka")
    server.start()
    yield server
    server.stop()


async def test_a_kafka_that_goes_and_comes_back_loses_nothing(mortal_kafka: EmbeddedKafka, tmp_path: Path, topic_prefix: str) -> None:
    publisher = KafkaPublisher(KafkaConnection(bootstrap=mortal_kafka.bootstrap, request_timeout_s=2.0))
    async with StreamBench(mortal_kafka.bootstrap, topic_prefix, tmp_path) as bench:
        bench.start_worker("stays")
        ends = bench.start_worker("ends")
        await wait_until(lambda: bench.assigned(0) and bench.assigned(1), 60.0, what="both workers are ready")
        await publisher.publish(bench.greetings(range(200), "slow"))
        await asyncio.to_thread(mortal_kafka.stop)
        ends.send_signal(signal.SIGTERM)
        with pytest.raises(Unavailable):
            await publisher.publish(bench.greetings([1000]))
        assert await asyncio.to_thread(ended, ends, SHUTDOWN_S) == 0
        await asyncio.to_thread(mortal_kafka.start)
        bench.start_worker("ends")
        await publisher.publish(bench.greetings([1001]))
        answered = set(map(int, await bench.wait_for_answers([*range(200), 1001], 90.0)))
        assert answered - {1000} == {*range(200), 1001}  # 1000 was refused, so its sender may not count on either
        assert await bench.read("dead-letters") == []
        await publisher.stop()
