"""The publisher against a client that does what a test says."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.connection import KafkaConnection
from budsim.services.ports import OutgoingMessage
from budsim.stream.producer import MAX_REQUEST_BYTES, KafkaPublisher


class FakeClient:
    """Takes messages; the broker's answer to each is a future the test may hold back."""

    made: list["FakeClient"] = []

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.sent: list[tuple[str, bytes | None]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.answering = True
        self.refusal: Exception | None = None
        self.steps: list[str] = []
        self._sender = SimpleNamespace(close=self._step("sender closed"))
        self._message_accumulator = SimpleNamespace(fail_all=lambda _: self.steps.append("batches failed"))
        self.stop = self._step("stopped")
        FakeClient.made.append(self)

    def _step(self, name: str) -> Any:
        async def step() -> None:
            self.steps.append(name)

        return step

    async def start(self) -> None: ...

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    async def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Sequence[Any]) -> "asyncio.Future[None]":
        if self.refusal:
            raise self.refusal
        self.sent.append((topic, value))
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        if self.answering:
            answer.set_result(None)
        return answer

    def answer(self) -> None:
        for answer in self.answers:
            if not answer.done():
                answer.set_result(None)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> KafkaPublisher:
    FakeClient.made.clear()
    monkeypatch.setattr("budsim.stream.producer.AIOKafkaProducer", FakeClient)
    return KafkaPublisher(KafkaConnection(bootstrap="a:1", request_timeout_s=0.2))


def messages(*topics: str) -> list[OutgoingMessage]:
    return [OutgoingMessage(topic=topic, key=b"k", value=str(number).encode()) for number, topic in enumerate(topics)]


async def silent(publisher: KafkaPublisher) -> FakeClient:
    """Start the client and make it hold every answer back."""
    await publisher.publish(messages("warm-up"))
    client = FakeClient.made[-1]
    client.answering = False
    client.sent.clear()
    return client


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_broker_has_answered_for_one_topic_before_anything_is_sent_to_the_next(publisher: KafkaPublisher) -> None:
    client = await silent(publisher)
    sending = asyncio.create_task(publisher.publish(messages("progress", "progress", "evaluations")))
    await settled()
    assert client.sent == [("progress", b"0"), ("progress", b"1")]
    client.answer()
    await settled()
    assert client.sent[2:] == [("evaluations", b"2")]
    client.answer()
    await sending


async def test_every_message_waits_for_all_in_sync_replicas_and_may_have_two_megabytes(publisher: KafkaPublisher) -> None:
    await publisher.publish(messages("t"))
    options = FakeClient.made[0].options
    assert (options["acks"], options["enable_idempotence"], options["max_request_size"]) == ("all", True, MAX_REQUEST_BYTES)
    assert MAX_REQUEST_BYTES == 2 * 1024 * 1024


async def test_one_client_serves_every_call(publisher: KafkaPublisher) -> None:
    await asyncio.gather(*(publisher.publish(messages("t")) for _ in range(5)))
    assert len(FakeClient.made) == 1


@pytest.mark.parametrize("how", ["no answer", "cancelled", "broken"])
async def test_a_client_whose_messages_are_in_doubt_is_given_up_and_the_next_call_makes_a_new_one(
    publisher: KafkaPublisher, how: str
) -> None:
    client = await silent(publisher)
    client.refusal = KafkaConnectionError("gone") if how == "broken" else None
    sending = asyncio.create_task(publisher.publish(messages("t")))
    await settled()
    if how == "cancelled":
        sending.cancel()
    with pytest.raises(asyncio.CancelledError if how == "cancelled" else Unavailable):
        await sending
    assert client.steps == ["sender closed", "batches failed", "stopped"]  # nothing is sent late, behind its repetition
    await publisher.publish(messages("t"))
    assert len(FakeClient.made) == 2


async def test_a_message_that_is_too_large_is_invalid_and_leaves_the_client_in_use(publisher: KafkaPublisher) -> None:
    await publisher.publish(messages("t"))
    client = FakeClient.made[0]
    client.refusal = MessageSizeTooLargeError("too large")
    with pytest.raises(InvalidInput, match="too large for topic t"):
        await publisher.publish(messages("t"))
    client.refusal = None
    await publisher.publish(messages("t"))
    assert FakeClient.made == [client]
