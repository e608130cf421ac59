"""PostgresBlacklists: entries and versions by key; the version only grows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from budsim.core.search.blacklist import is_out_of_memory
from budsim.core.search.part import Blacklist
from budsim.services.ports import Clock, FeedbackReport, Messages, RecordedConfiguration
from budsim.storage.engine import Sessions, autocommit, transaction
from budsim.storage.schema import BlacklistRow, BlacklistVersionRow, FeedbackRow, SimulationResultRow
from budsim.storage.values import ENTRY, dumped, outbox_row

REASON_LIMIT = 200  # characters of a reason that travel with an entry: a key's entries are sent whole; `feedback` keeps all of it


async def read_blacklists(session: AsyncSession, keys: Sequence[str]) -> list[Blacklist]:
    """Return the live entries and the version of each key."""
    if not keys:
        return []
    wanted = select(BlacklistVersionRow.key, BlacklistVersionRow.version).where(BlacklistVersionRow.key.in_(keys))
    versions = {row.key: row.version for row in await session.execute(wanted)}
    rows = await session.execute(
        select(BlacklistRow.key, BlacklistRow.entry)
        .where(BlacklistRow.key.in_(keys), BlacklistRow.expires_at > func.now())
        .order_by(BlacklistRow.config_id)
    )
    found = [(key, ENTRY.validate_python(entry)) for key, entry in rows]
    return [
        Blacklist(key=key, version=versions.get(key, 0), entries=tuple(entry for owner, entry in found if owner == key)) for key in keys
    ]


class PostgresBlacklists:
    """The BlacklistStore."""

    def __init__(self, sessions: Sessions, *, clock: Clock, ttl_s: float) -> None:
        self._sessions = sessions
        self._clock = clock
        self._ttl_s = ttl_s

    async def get(self, key: str) -> Blacklist:
        """Return the key's entries and version."""
        async with transaction(self._sessions) as session:
            return (await read_blacklists(session, [key]))[0]

    async def versions(self, keys: Sequence[str]) -> dict[str, int]:
        """Return the versions of keys that have one."""
        if not keys:
            return {}
        wanted = select(BlacklistVersionRow.key, BlacklistVersionRow.version).where(BlacklistVersionRow.key.in_(keys))
        async with autocommit(self._sessions) as session:
            return {row.key: row.version for row in await session.execute(wanted)}

    async def find_configuration(self, config_id: UUID) -> RecordedConfiguration | None:
        """Return a recommended configuration."""
        wanted = select(SimulationResultRow.workflow_id, SimulationResultRow.blacklist_key, SimulationResultRow.blacklist_entry)
        async with autocommit(self._sessions) as session:
            found = (await session.execute(wanted.where(SimulationResultRow.config_id == config_id))).first()
        if found is None:
            return None
        workflow_id, key, entry = found
        return RecordedConfiguration(config_id=config_id, workflow_id=workflow_id, key=key, entry=ENTRY.validate_python(entry))

    async def apply(self, recorded: RecordedConfiguration, report: FeedbackReport, messages: Messages) -> Blacklist:
        """Mark, set or lift, bump the version and put the update into the outbox, in one transaction; nothing for a report known before."""
        key = recorded.key
        async with transaction(self._sessions) as session:
            if not await _noted(session, recorded, report):
                return (await read_blacklists(session, [key]))[0]
            # the version's row is the key's lock: later feedback on it waits here
            bumped = insert(BlacklistVersionRow).values(key=key, version=1)
            await session.execute(
                bumped.on_conflict_do_update(index_elements=[BlacklistVersionRow.key], set_={"version": BlacklistVersionRow.version + 1})
            )
            marked = update(SimulationResultRow).where(SimulationResultRow.config_id == recorded.config_id)
            await session.execute(marked.values(is_blacklisted=report.failed))
            await session.execute(delete(BlacklistRow).where(BlacklistRow.key == key, BlacklistRow.expires_at <= func.now()))
            await self._set_or_lift(session, recorded, report)
            blacklist = (await read_blacklists(session, [key]))[0]
            session.add(outbox_row(key, messages.blacklist(blacklist)))
            return blacklist

    async def _set_or_lift(self, session: AsyncSession, recorded: RecordedConfiguration, report: FeedbackReport) -> None:
        mine = (BlacklistRow.key == recorded.key, BlacklistRow.config_id == recorded.config_id)
        if not report.failed:
            await session.execute(delete(BlacklistRow).where(*mine))
            return
        expires_s = self._clock.now_s() + self._ttl_s
        entry = replace(
            recorded.entry, reason=report.reason[:REASON_LIMIT], out_of_memory=is_out_of_memory(report.reason), expires_at=expires_s
        )
        values = {"entry": dumped(ENTRY, entry), "expires_at": datetime.fromtimestamp(expires_s, tz=UTC)}
        added = insert(BlacklistRow).values(key=recorded.key, config_id=recorded.config_id, **values)
        await session.execute(added.on_conflict_do_update(index_elements=[BlacklistRow.key, BlacklistRow.config_id], set_=values))


async def _noted(session: AsyncSession, recorded: RecordedConfiguration, report: FeedbackReport) -> bool:
    """Keep the report as it came; False if it is known."""
    observed = {
        "ttft_s": report.observed_ttft_s,
        "throughput_per_user": report.observed_throughput_per_user,
        "e2e_s": report.observed_e2e_s,
        "concurrency": report.observed_concurrency,
    }
    kept = {name: value for name, value in observed.items() if value is not None}
    added = insert(FeedbackRow).values(
        event_id=report.event_id,
        config_id=recorded.config_id,
        workflow_id=recorded.workflow_id,
        failed=report.failed,
        reason=report.reason,
        observed=kept or None,
    )
    return (await session.execute(added.on_conflict_do_nothing().returning(FeedbackRow.id))).scalar() is not None
