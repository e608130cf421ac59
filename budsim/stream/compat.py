"""Fixes for faust-streaming 0.15.3, applied by the entry point and never at import.

It loses or repeats events in three places that are open issues of github.com/faust-streaming/faust: where recovery ends (596, and
216 for workers without tables), where offsets are committed (606) and where partitions are revoked (502); and, without its
compiled modules, where a stream skips an event. Each fix has a regression test that runs Faust's own class as it comes and mended,
and fails without the fix: tests/unit/stream/test_compat.py.
"""

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

FAUST = "0.15.3"
AIOKAFKA = "0.14."
FETCH_WAIT_MS = 100


class UnsupportedFaust(RuntimeError):
    """The installed libraries are not those the fixes were written for."""


def check_versions(faust_version: str, aiokafka_version: str) -> None:
    """Refuse any version the fixes were not proven on."""
    if faust_version != FAUST or not aiokafka_version.startswith(AIOKAFKA):
        raise UnsupportedFaust(
            f"faust-streaming {faust_version} with aiokafka {aiokafka_version} is installed; the fixes need {FAUST} with {AIOKAFKA}x: "
            "install with constraints.txt"
        )


def _replace(owner: Any, name: str, function: Callable[..., Any]) -> None:
    setattr(owner, name, function)


def install() -> None:
    """Check the versions and apply every fix; calling again changes nothing."""
    check_versions(version("faust-streaming"), version("aiokafka"))
    if Consumer.on_partitions_revoked is _revoked:
        return
    fix_recovery_race()
    fix_acknowledged_gap()
    fix_revoke_order()
    fix_skipped_acknowledged()
    shorten_fetch_wait()


def fix_recovery_race(recovery: Any = Recovery) -> None:
    """Issue 596: after recovery, seek and clear the queues before the fetcher may hand anything to agents.

    Where: faust/tables/recovery.py, `on_recovery_completed` and, without tables, `_resume_streams`. Both resume the partitions,
    wait for the seek, and only then call `flow_control.resume()`, which clears every queue. What the fetcher, a task of its own,
    delivers between the two is read and gone: the events above it are acknowledged, and then either the gap blocks every later
    commit or a restart begins behind it. Here the gate is closed first, and opened once positions and queues agree.
    """
    _replace(recovery, "on_recovery_completed", _recovered)
    _replace(recovery, "_resume_streams", _resumed)


async def _recovered(self: Any, generation_id: int = 0) -> None:
    await self.app.on_rebalance_complete.send()
    self._set_recovery_ended()
    callbacks = [
        asyncio.ensure_future(table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table]))
        for table in self.tables.values()
    ]
    if callbacks:
        await asyncio.wait(callbacks)
    if await _open_gate(self, generation_id) and not self.app.assignor.assigned_standbys():
        self.tables.on_standbys_ready()


async def _resumed(self: Any, generation_id: int = 0) -> None:
    await self.app.on_rebalance_complete.send()
    if await _open_gate(self, generation_id):
        self.tables.on_standbys_ready()


async def _open_gate(self: Any, generation_id: int) -> bool:
    """Seek, clear and resume behind a closed gate; False if a newer rebalance has begun."""
    app, consumer, gate = self.app, self.app.consumer, self.app.flow_control
    if app.consumer_generation_id != generation_id:
        self.log.warning("a newer rebalance has begun; this recovery steps back")
        return False
    consumer.stop_flow()
    gate.suspend()
    changes = self.tables.changelog_queue
    gate._queues.discard(changes)  # changes that standby tables have fetched are not read again: they are not cleared
    try:
        gate.clear()
        assignment = consumer.assignment()
        if assignment:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
            consumer.resume_partitions({tp for tp in assignment if not self._is_changelog_tp(tp)})
        self.completed.set()
        gate.resume()
    finally:
        gate.manage_queue(changes)
    consumer.resume_flow()
    await app._fetcher.maybe_start()
    self.tables.on_actives_ready()
    app.on_rebalance_end()
    self.log.info("Worker ready")
    return True


def fix_acknowledged_gap(consumer: Any = Consumer) -> None:
    """Issue 606: never commit past the smallest offset that was read and not acknowledged.

    Where: faust/transport/consumer.py, `_new_offset`. It takes a run of acknowledged offsets that begins one above the committed
    offset for the continuation of what was committed, though the message between is still in hand; offsets it has noted as gaps of
    a compacted topic it takes for acknowledged, though the message at the gap's end is in hand. A restart then begins behind
    messages nobody has finished. Here only what lies under the first message in hand is offered to it.
    """
    original = consumer._new_offset

    def new_offset(self: Any, tp: Any) -> Any:
        acked = self._acked[tp]
        floor = min((message.offset for message in self._unacked_messages if message.tp == tp and not message.acked), default=None)
        above = [offset for offset in acked if floor is not None and offset >= floor]
        if not above:
            return original(self, tp)
        acked[:] = [offset for offset in acked if offset < floor]
        try:
            return original(self, tp)
        finally:
            self._acked[tp].extend(above)

    _replace(consumer, "_new_offset", new_offset)


def fix_revoke_order(consumer: Any = Consumer) -> None:
    """Issue 502: acknowledgements are kept until the app has made its last commit, and forgotten only then.

    Where: faust/transport/consumer.py, `on_partitions_revoked`. It drops what was acknowledged before it calls the app, which
    waits for the messages in hand and commits: nothing is left to commit, and the next owner does the work a second time. Here
    the read positions go first, so that nothing new is counted, and the acknowledgements last.
    """
    _replace(consumer, "on_partitions_revoked", _revoked)


async def _revoked(self: Any, revoked: set[Any]) -> None:
    self._active_partitions.difference_update(revoked)
    self._paused_partitions.difference_update(revoked)
    for tp in revoked:
        self._read_offset.pop(tp, None)
    try:
        await self._on_partitions_revoked(revoked)
    finally:
        for book in (self._gap, self._acked, self._acked_index, self._committed_offset, self._read_offset):
            for tp in revoked:
                book.pop(tp, None)


def fix_skipped_acknowledged(consumer: Any = Consumer) -> None:
    """A stream skips an event of an older assignment, never tracks it, and acknowledges it all the same: not so.

    Only the stream written in Python does so; where Faust is installed without its compiled modules, an event could be committed
    that nobody has seen.
    """
    original = consumer.ack

    def ack(self: Any, message: Any) -> bool:
        return bool(message.tracked and original(self, message))

    _replace(consumer, "ack", ack)


def shorten_fetch_wait(thread: Any = AIOKafkaConsumerThread) -> None:
    """Let an empty fetch return after 0.1 s, not after the 1.5 s that Faust gives no setting for.

    Where: faust/transport/drivers/aiokafka.py, `_create_worker_consumer`. While a fetch waits at the broker, partitions whose
    records were taken meanwhile are not part of it and their next record waits.
    """
    original = thread._create_worker_consumer

    def create(self: Any, transport: Any) -> Any:
        consumer = original(self, transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    _replace(thread, "_create_worker_consumer", create)
