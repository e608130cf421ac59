"""What runs beside the messages: deadlines, and the sweep of what a crash left unsent."""

import asyncio
import logging
from typing import Protocol

from budsim.core.errors import Unavailable
from budsim.services.ports import Clock, Outbox, WorkflowStore

log = logging.getLogger(__name__)
TICK_S = 0.5
SWEEP_EVERY_S = 2.0
BATCH = 100


class Deadlines(WorkflowStore, Protocol):
    """A workflow store that can move deadlines."""

    async def shift_deadlines(self, seconds: float) -> None:
        """Move running deadlines."""
        ...


class Sweepable(Outbox, Protocol):
    """An outbox that can be swept."""

    async def sweep(self, *, older_than_s: float, limit: int) -> int:
        """Send what is older."""
        ...


async def announce_deadlines(workflows: Deadlines, outbox: Outbox, clock: Clock) -> None:
    """Announce every deadline that passes; after an outage of PostgreSQL move running ones by its length."""
    away_since_s: float | None = None
    while True:
        try:
            if away_since_s is not None:
                await workflows.shift_deadlines(clock.now_s() - away_since_s)
                away_since_s = None
            for workflow_id in await workflows.due(clock.now_s(), BATCH):
                await outbox.publish(str(workflow_id))
        except Unavailable as error:
            if away_since_s is None:
                away_since_s = clock.now_s()
                log.warning("deadlines wait: %s", error)
        await asyncio.sleep(TICK_S)


async def sweep_outbox(outbox: Sweepable, *, older_than_s: float) -> None:
    """Send what a crash left behind."""
    while True:
        try:
            swept = await outbox.sweep(older_than_s=older_than_s, limit=BATCH)
            if swept:
                log.info("swept up %s messages", swept)
        except Unavailable as error:
            log.warning("sweeping waits: %s", error)
        await asyncio.sleep(SWEEP_EVERY_S)
