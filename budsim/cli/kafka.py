"""Reading topics without a group."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from budsim.core.errors import Unavailable
from budsim.services.connection import KafkaConnection
from budsim.stream.codec import Record


@asynccontextmanager
async def reader(connection: KafkaConnection, *names: str, from_start: bool) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer of every partition of these topics, positioned at their start or end."""
    consumer = AIOKafkaConsumer(**connection.options(), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100)
    try:
        await consumer.start()
        places = [TopicPartition(name, number) for name in names for number in await _partitions(consumer, name)]
        consumer.assign(places)
        await (consumer.seek_to_beginning if from_start else consumer.seek_to_end)(*places)
        for place in places:
            await consumer.position(place)
        yield consumer
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {connection.bootstrap} cannot be read ({error})", remedy="check BUDSIM_KAFKA_BOOTSTRAP") from error
    finally:
        await consumer.stop()


async def read_all(connection: KafkaConnection, name: str) -> list[Record]:
    """Return everything a topic holds now."""
    return (await read_to_end(connection, name))[0]


async def read_to_end(connection: KafkaConnection, name: str) -> tuple[list[Record], dict[int, int]]:
    """Return everything a topic holds now, in order by partition, and the next offset of each partition."""
    found: list[Record] = []
    async with reader(connection, name, from_start=True) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        for place, end in ends.items():
            while await consumer.position(place) < end:
                batch = await consumer.getmany(place, timeout_ms=1000)
                found += [record_of(message) for messages in batch.values() for message in messages]
    last = {place.partition: end for place, end in ends.items()}
    return [record for record in found if record.offset < last[record.partition]], last


async def _partitions(consumer: AIOKafkaConsumer, name: str) -> list[int]:
    cluster = await consumer._client.fetch_all_metadata()
    found = cluster.partitions_for_topic(name)
    if not found:
        raise Unavailable(f"topic {name} does not exist", remedy="run: budsim topics apply")
    return sorted(found)


def record_of(message: Any) -> Record:
    """Return a consumed message as a plain record."""
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
        timestamp_s=message.timestamp / 1000,
    )


async def following(consumer: AIOKafkaConsumer, key: bytes, *, deadline_s: float) -> AsyncIterator[Record]:
    """Yield the records of one key as they come, until the deadline."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + deadline_s
    while loop.time() < until_s:
        batch = await consumer.getmany(timeout_ms=200)
        for messages in batch.values():
            for message in messages:
                if message.key == key:
                    yield record_of(message)
