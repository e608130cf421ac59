"""A worker for tests: answers each greeting on another topic; the greeting itself says what goes wrong.

Run as: python -m tests.support.stream_worker BOOTSTRAP PREFIX FOLDER STORE [INSTANCE_ID]. A file named `away` in FOLDER is an outage.
With a STORE other than `none` it has a changelog-backed table, kept in FOLDER/tables.
"""

import asyncio
import json
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.connection import KafkaConnection
from budsim.services.ports import OutgoingMessage
from budsim.stream import compat
from budsim.stream.codec import Codec, DecodeFailure, Received, Tombstone
from budsim.stream.fuse import Fuse
from budsim.stream.health import FlowProbe
from budsim.stream.logs import configure
from budsim.stream.loop import MessageLoop, RetryPolicy, Route
from budsim.stream.producer import KafkaPublisher
from budsim.stream.worker import WorkerOptions, at_stop, attach, create_faust_app, register, run_worker

STALL_S = 1.0


class Greeting(BaseModel):
    id: int
    mood: str = "good"


class Greeter:
    def __init__(self, prefix: str, folder: Path, table: MutableMapping[bytes, bytes]) -> None:
        self._prefix = prefix
        self._folder = folder
        self._table = table

    async def handle(self, received: Received[Greeting]) -> Sequence[OutgoingMessage]:
        greeting = received.event
        if (self._folder / "away").exists():
            raise Unavailable("the outage was asked for")
        match greeting.mood:
            case "invalid":
                raise InvalidInput(f"id = {greeting.id}: not today", remedy="ask tomorrow")
            case "broken":
                raise KeyError(greeting.id)
            case "slow":
                await asyncio.sleep(0.02)
            case "endless":
                await asyncio.Event().wait()
            case "remember":
                self._table[received.record.key or b""] = str(greeting.id).encode()
            case "recall":
                remembered = self._table.get(received.record.key or b"") or b"nothing"
                return (self._answer(received.record.key, remembered.decode()),)
        return (self._answer(received.record.key, str(greeting.id)),)

    async def removed(self, tombstone: Tombstone) -> Sequence[OutgoingMessage]:
        return (self._answer(tombstone.record.key, "removed"),)

    async def failed(self, received: Received[Greeting], error: Exception) -> Sequence[OutgoingMessage]:
        return (OutgoingMessage(topic=self._prefix + "news", key=received.record.key, value=str(error).encode()),)

    async def undecodable(self, failure: DecodeFailure) -> Sequence[OutgoingMessage]:
        return (OutgoingMessage(topic=self._prefix + "news", key=failure.record.key, value=failure.reason.encode()),)

    def _answer(self, key: bytes | None, text: str) -> OutgoingMessage:
        return OutgoingMessage(topic=self._prefix + "answers", key=key, value=text.encode())


def main(bootstrap: str, prefix: str, folder: Path, store: str, instance_id: str | None = None) -> None:
    configure("INFO")
    compat.install()
    connection = KafkaConnection(bootstrap=bootstrap)
    options = WorkerOptions(
        app_id=prefix + "worker",
        data_folder=folder / "tables",
        store="memory://" if store == "none" else store,
        table_partitions=2,
        instance_id=instance_id,
    )
    app = create_faust_app(connection, options)
    table = {} if store == "none" else app.Table("memory", key_type=bytes, value_type=bytes, partitions=2)
    publisher = KafkaPublisher(connection)
    at_stop(app, publisher.stop)
    loop = MessageLoop(
        publisher=publisher,
        dead_letter_topic=prefix + "dead-letters",
        flow_active=lambda: bool(app.flow_control.is_active()),
        policy=RetryPolicy(first_delay_s=0.1, grace_s=1.0),
        fuse=Fuse(),
    )
    greeter = Greeter(prefix, folder, table)
    codec = Codec(Greeting, max_value_bytes=512 * 1024)
    route = Route(
        agent="greeter",
        codec=codec,
        handle=greeter.handle,
        tombstone=greeter.removed,
        undecodable=greeter.undecodable,
        failed=greeter.failed,
    )
    register(app, prefix + "greetings", loop, route)
    attach(app, "heart", lambda: beat(folder / "beats"))
    probe = FlowProbe(app, holding=lambda: loop.holding, stall_s=STALL_S)
    attach(app, "health", lambda: report(probe, folder / "health"))
    run_worker(app, loglevel="INFO")


async def report(probe: FlowProbe, path: Path) -> None:
    while True:
        write_health(probe, path)
        await asyncio.sleep(0.1)


def write_health(probe: FlowProbe, path: Path) -> None:
    path.write_text(json.dumps({"alive": probe.alive(), "ready": probe.ready()}), encoding="utf-8")


async def beat(path: Path) -> None:
    """Crash at the first start, then beat."""
    if stumbles(path):
        raise RuntimeError("the heart stumbles once")
    await asyncio.Event().wait()


def stumbles(path: Path) -> bool:
    first = not path.exists()
    path.write_text("crashed once" if first else "beating", encoding="utf-8")
    return first


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
