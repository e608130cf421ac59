"""Fixes for faust-streaming 0.15.3, applied by the entry point and never at import.

Three places lose or repeat events (issues 596, 606 and 502 of faust-streaming/faust); each fix has a regression test.
"""

import asyncio
from importlib.metadata import version
from typing import Any

from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer

FAUST = "0.15.3"
AIOKAFKA = "0.14."


class UnsupportedFaustError(RuntimeError):
    """The installed libraries are not those the fixes were written for."""


def check_versions(faust_version: str, aiokafka_version: str) -> None:
    """Refuse any version the fixes were not proven on."""
    if faust_version != FAUST or not aiokafka_version.startswith(AIOKAFKA):
        raise UnsupportedFaustError(
            f"faust-streaming {faust_version} with aiokafka {aiokafka_version} is installed; the fixes need {FAUST} with {AIOKAFKA}x: "
            "install with constraints.txt"
        )


def install() -> None:
    """Check the versions and apply every fix; calling again changes nothing."""
    check_versions(version("faust-streaming"), version("aiokafka"))
    if getattr(Consumer, "_budsim_fixes", False):
        return
    fix_recovery_race()
    fix_acknowledged_gap()
    fix_revoke_order()
    Consumer._budsim_fixes = True


def fix_recovery_race() -> None:
    """Issue 596: after recovery, seek and clear the queues before the fetcher may hand anything to agents."""
    Recovery.on_recovery_completed = _recovered


async def _recovered(self: Any, generation_id: int = 0) -> None:
    app, consumer = self.app, self.app.consumer
    await app.on_rebalance_complete.send()
    self._set_recovery_ended()
    callbacks = [
        asyncio.ensure_future(table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table]))
        for table in self.tables.values()
    ]
    if callbacks:
        await asyncio.wait(callbacks)
    if app.consumer_generation_id != generation_id:
        self.log.warning("a newer rebalance has begun; this recovery steps back")
        return
    # closed gate: what the fetcher had delivered would be cleared from the queues while its offsets count as read
    consumer.stop_flow()
    app.flow_control.suspend()
    assignment = consumer.assignment()
    if assignment:
        await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        consumer.resume_partitions({tp for tp in assignment if not self._is_changelog_tp(tp)})
    self.completed.set()
    app.flow_control.resume()
    consumer.resume_flow()
    await app._fetcher.maybe_start()
    self.tables.on_actives_ready()
    if not app.assignor.assigned_standbys():
        self.tables.on_standbys_ready()
    app.on_rebalance_end()
    self.log.info("Worker ready")


def fix_acknowledged_gap() -> None:
    """Issue 606: never commit past the smallest offset that was read and not acknowledged."""
    original = Consumer._new_offset

    def new_offset(self: Any, tp: Any) -> int | None:
        acked = self._acked[tp]
        floor = min((message.offset for message in self._unacked_messages if message.tp == tp and not message.acked), default=None)
        above = [offset for offset in acked if floor is not None and offset >= floor]
        if not above:
            return original(self, tp)  # type: ignore[no-any-return]
        acked[:] = [offset for offset in acked if offset < floor]
        try:
            return original(self, tp)  # type: ignore[no-any-return]
        finally:
            self._acked[tp].extend(above)

    Consumer._new_offset = new_offset


def fix_revoke_order() -> None:
    """Issue 502: acknowledgements outlive the revoke until the app has made its final commit."""
    original = Consumer.on_partitions_revoked

    async def on_partitions_revoked(self: Any, revoked: set[Any]) -> None:
        books = (self._acked, self._acked_index, self._committed_offset, self._gap)
        kept = [{tp: book[tp] for tp in revoked if tp in book} for book in books]
        callback = self._on_partitions_revoked

        async def commit_first(partitions: set[Any]) -> None:
            for book, entries in zip(books, kept, strict=True):
                book.update(entries)
            try:
                await callback(partitions)
            finally:
                for book in books:
                    for tp in revoked:
                        book.pop(tp, None)

        self._on_partitions_revoked = commit_first
        try:
            await original(self, revoked)
        finally:
            self._on_partitions_revoked = callback

    Consumer.on_partitions_revoked = on_partitions_revoked
