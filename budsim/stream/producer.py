"""KafkaPublisher: sends in order and awaits every answer of the broker."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.connection import KafkaConnection
from budsim.services.ports import OutgoingMessage

MAX_REQUEST_BYTES = 2 * 1024 * 1024
STOP_S = 2.0
METADATA_S = 5.0  # to find a topic's partitions; aiokafka would ask again and again for the whole request timeout


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
        for topic, group in groupby(messages, key=lambda message: message.topic):
            await self._find(producer, topic)
            await self._send(producer, topic, list(group))

    async def stop(self) -> None:
        """Close the connection."""
        if self._producer is not None:
            await self._discard(self._producer)

    async def _find(self, producer: AIOKafkaProducer, topic: str) -> None:
        """Make sure of the topic before anything is sent: nothing of ours then hangs in the producer."""
        try:
            async with asyncio.timeout(METADATA_S):
                await producer.partitions_for(topic)
        except (TimeoutError, KafkaError, OSError) as error:
            raise Unavailable(
                f"topic {topic} is not found at {self._connection.bootstrap} ({error!r})", remedy="is Kafka up? run: budsim topics apply"
            ) from error

    async def _send(self, producer: AIOKafkaProducer, topic: str, messages: list[OutgoingMessage]) -> None:
        try:
            async with asyncio.timeout(self._connection.request_timeout_s):
                futures = [
                    await producer.send(topic, key=message.key, value=message.value, headers=list(message.headers)) for message in messages
                ]
                await asyncio.gather(*futures)
        except MessageSizeTooLargeError as error:
            raise InvalidInput(
                f"a message is too large for topic {topic}: {error}", remedy="ask for fewer clusters or a smaller top_k"
            ) from error
        except asyncio.CancelledError:
            await self._discard(producer)
            raise
        except (TimeoutError, KafkaError, OSError) as error:
            await self._discard(producer)
            raise Unavailable(f"Kafka at {self._connection.bootstrap} does not take messages for {topic} ({error!r})") from error

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
                    async with asyncio.timeout(self._connection.request_timeout_s):
                        await producer.start()
                    self._producer = producer
                except (TimeoutError, KafkaError, OSError) as error:
                    raise Unavailable(
                        f"Kafka at {self._connection.bootstrap} cannot be reached ({error!r})",
                        remedy="Is it up, and BUDSIM_KAFKA_BOOTSTRAP right? On one machine: budsim up",
                    ) from error
                finally:
                    if self._producer is not producer:
                        await producer.stop()
            return self._producer

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        """Give a producer up: an idempotent one neither expires a batch nor works again after a fatal error.

        The same when a caller stops waiting. Its sender ends and its batches fail, else it would live on and send them late and
        out of order when Kafka is back.
        """
        if self._producer is producer:
            self._producer = None
        for step in (producer._sender.close, partial(_fail_batches, producer), producer.stop):
            with suppress(TimeoutError, KafkaError, OSError):
                async with asyncio.timeout(STOP_S):
                    await step()


async def _fail_batches(producer: AIOKafkaProducer) -> None:
    producer._message_accumulator.fail_all(ProducerClosed())
