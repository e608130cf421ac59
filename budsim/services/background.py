"""What runs beside the messages: deadlines, and the sweep of what a crash left unsent."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from budsim.core.errors import Unavailable
from budsim.services.ports import Clock, Outbox, WorkflowStore

log = logging.getLogger(__name__)
TICK_S = 0.5
NEWCOMER_TICKS = 6
SWEEP_EVERY_S = 2.0
PRUNE_EVERY_S = 600.0
BATCH = 100


class Heartbeat(Protocol):
    """When PostgreSQL was last seen by any deadline timer: what tells them together how long it was away."""

    async def is_fresh(self) -> bool:
        """Whether a timer has seen it just now, or none ever has."""
        ...

    async def beat(self) -> None:
        """Note that it is here."""
        ...

    async def shift_deadlines(self) -> float:
        """Move running deadlines by the time since the last beat, once for all timers; return it. [s]"""
        ...


class Sweepable(Outbox, Protocol):
    """An outbox that can be swept."""

    async def sweep(self, *, older_than_s: float, limit: int) -> int:
        """Send what is older."""
        ...

    async def prune(self) -> None:
        """Delete what was sent long ago."""
        ...


class DeadlineTimer:
    """Announces every deadline that passes; after an outage of PostgreSQL running ones move by its length first."""

    def __init__(self, *, workflows: WorkflowStore, heartbeat: Heartbeat, outbox: Outbox, clock: Clock) -> None:
        self._workflows = workflows
        self._heartbeat = heartbeat
        self._outbox = outbox
        self._clock = clock
        self._away = False
        self._patience = NEWCOMER_TICKS

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            await self.tick()
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Look once."""
        try:
            passed = await self._passed()
        except Unavailable as error:
            if not self._away:
                log.warning("deadlines wait: %s", error)
            self._away = True
            return
        try:
            for workflow_id in passed:
                await self._outbox.publish(str(workflow_id))
        except Unavailable as error:
            log.warning("announced deadlines are left to the sweeper: %s", error)

    async def _passed(self) -> Sequence[UUID]:
        if self._away:
            log.info("PostgreSQL is back: running deadlines were moved by %.1f s", await self._heartbeat.shift_deadlines())
        elif self._patience and not await self._heartbeat.is_fresh():
            # PostgreSQL or all timers were away; only one that lived through it knows which, and acts first
            self._patience -= 1
            return ()
        self._away, self._patience = False, 0
        await self._heartbeat.beat()
        return await self._workflows.due(self._clock.now_s(), BATCH)


class OutboxSweeper:
    """Sends what a crash left behind, and deletes what was sent long ago."""

    def __init__(self, outbox: Sweepable, *, older_than_s: float, clock: Clock, count: Callable[[int], None]) -> None:
        self._outbox = outbox
        self._older_than_s = older_than_s
        self._clock = clock
        self._count = count
        self._pruned_s = 0.0

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep(self) -> None:
        """Sweep once."""
        try:
            swept = await self._outbox.sweep(older_than_s=self._older_than_s, limit=BATCH)
            if swept:
                self._count(swept)
                log.info("swept up %s messages", swept)
            if self._clock.now_s() - self._pruned_s >= PRUNE_EVERY_S:
                await self._outbox.prune()
                self._pruned_s = self._clock.now_s()
        except Unavailable as error:
            log.warning("sweeping waits: %s", error)
