"""KafkaPublisher: sends in order and awaits every answer of the broker."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.connection import KafkaConnection
from budsim.services.ports import OutgoingMessage

MAX_REQUEST_BYTES = 2 * 1024 * 1024


class KafkaPublisher:
    """One producer a process, started at first use and made anew after it broke."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send in order, one topic after the other.

        Raises:
            Unavailable: Kafka or a topic is away.
            InvalidInput: A message is larger than its topic takes.
        """
        producer = await self._started()
        try:
            for topic, group in groupby(messages, key=lambda message: message.topic):
                await self._send(producer, topic, list(group))
        except MessageSizeTooLargeError as error:
            raise InvalidInput(
                f"a message is too large for its topic: {error}", remedy="ask for fewer clusters or a smaller top_k"
            ) from error
        except (TimeoutError, KafkaError, OSError) as error:
            await self._discard(producer)
            raise Unavailable(f"Kafka at {self._connection.bootstrap} does not take messages ({error!r})") from error

    async def stop(self) -> None:
        """Close the connection."""
        if self._producer is not None:
            await self._discard(self._producer)

    async def _send(self, producer: AIOKafkaProducer, topic: str, messages: list[OutgoingMessage]) -> None:
        async with asyncio.timeout(self._connection.request_timeout_s):
            # an unknown topic would make send() retry for the whole request timeout, blocking the caller
            partitions = await producer.partitions_for(topic)
            if not partitions:
                raise Unavailable(f"topic {topic} does not exist", remedy="run: budsim topics apply")
            futures = [
                await producer.send(topic, key=message.key, value=message.value, headers=list(message.headers)) for message in messages
            ]
            await asyncio.gather(*futures)

    async def _started(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._connection.options(),
                    acks="all",
                    enable_idempotence=True,
                    max_request_size=MAX_REQUEST_BYTES,
                    request_timeout_ms=int(self._connection.request_timeout_s * 1000),
                )
                try:
                    await producer.start()
                except (KafkaError, OSError) as error:
                    await producer.stop()
                    raise Unavailable(f"Kafka at {self._connection.bootstrap} cannot be reached ({error!r})") from error
                self._producer = producer
            return self._producer

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        # after a fatal error an idempotent producer refuses everything: a new one starts clean
        if self._producer is producer:
            self._producer = None
        try:
            async with asyncio.timeout(2.0):
                await producer.stop()
        except (TimeoutError, KafkaError, OSError):
            return
