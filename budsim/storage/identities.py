"""PostgresIdentities: one identity is taken by one request at a time, over every web process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text

from budsim.storage.engine import Sessions, transaction


class PostgresIdentities:
    """Holds an advisory lock; give it sessions of its own pool, for a held one waits for the broker."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @asynccontextmanager
    async def held(self, workflow_id: UUID) -> AsyncIterator[None]:
        """Let nobody else look at or take this id meanwhile."""
        async with transaction(self._sessions) as session:
            await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": str(workflow_id)})
            yield
