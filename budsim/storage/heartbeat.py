"""PostgresHeartbeat: when PostgreSQL was last seen by any of the deadline timers."""

from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from budsim.services.ports import WorkflowStatus
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import HeartbeatRow, WorkflowRow

TIMER = "deadlines"
SHORTEST_OUTAGE = timedelta(seconds=2)  # timers beat twice a second: a shorter gap is a late beat, or one that another has made up for


class PostgresHeartbeat:
    """The Heartbeat of all deadline timers together."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def is_fresh(self) -> bool:
        """Whether a timer has beaten just now, or none ever has."""
        seen_lately = select(HeartbeatRow.seen_at > func.clock_timestamp() - SHORTEST_OUTAGE).where(HeartbeatRow.name == TIMER)
        async with transaction(self._sessions) as session:
            return await session.scalar(seen_lately) is not False

    async def beat(self) -> None:
        """Note that PostgreSQL is here."""
        added = insert(HeartbeatRow).values(name=TIMER, seen_at=func.clock_timestamp())
        seen = added.on_conflict_do_update(index_elements=[HeartbeatRow.name], set_={"seen_at": func.clock_timestamp()})
        async with transaction(self._sessions) as session:
            await session.execute(seen)

    async def shift_deadlines(self) -> float:
        """Move running deadlines by the time since the last beat, and beat; of many timers after one outage only the first moves them.

        Returns:
            By how much they were moved. [s]
        """
        mine = HeartbeatRow.name == TIMER
        running = (WorkflowRow.status == WorkflowStatus.RUNNING.value, WorkflowRow.deadline_announced.is_(False))
        async with transaction(self._sessions) as session:
            seen_at = await session.scalar(select(HeartbeatRow.seen_at).where(mine).with_for_update())
            now = await session.scalar(select(func.clock_timestamp()))  # after the lock: another timer may have held it
            if seen_at is None or now is None or now - seen_at < SHORTEST_OUTAGE:
                return 0.0
            gap = now - seen_at
            await session.execute(update(WorkflowRow).where(*running).values(deadline_at=WorkflowRow.deadline_at + gap))
            await session.execute(update(HeartbeatRow).where(mine).values(seen_at=now))
            return float(gap.total_seconds())
