"""Evaluate: narrow a part to what fits and is not blacklisted."""

from collections.abc import Sequence
from dataclasses import replace

from budsim.core.errors import BudSimError
from budsim.core.memory.plan import MemoryModel
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Blacklist, Part, PartResult, PartStatus, SearchTask
from budsim.services.ports import BlacklistStore, Clock, Messages, OutgoingMessage, Stage, WorkflowStore


class Evaluator:
    """The evaluate stage."""

    def __init__(
        self,
        *,
        workflows: WorkflowStore,
        blacklists: BlacklistStore,
        memory: MemoryModel,
        messages: Messages,
        clock: Clock,
        max_attempts: int,
    ) -> None:
        self._workflows = workflows
        self._blacklists = blacklists
        self._memory = memory
        self._messages = messages
        self._clock = clock
        self._max_attempts = max_attempts

    async def evaluate(self, part: Part, table: Blacklist | None) -> Sequence[OutgoingMessage]:
        """Return the search request of a part, or its result when nothing is left to search."""
        blacklist = await self._current(part, table)  # before the claim: an outage must not cost the part its attempts
        claim = await self._workflows.claim_part(part.part_id, Stage.EVALUATE)
        if not claim.open:
            return ()
        if claim.attempts > self._max_attempts:
            return (self._messages.part_finished(part, worn_out(part, claim.attempts - 1)),)
        found = narrow(part, blacklist.entries, self._memory, now_s=self._clock.now_s())
        match found:
            case SearchTask():
                return (self._messages.search(found),)
            case PartResult():
                return (self._messages.part_finished(part, found),)

    def give_up(self, part: Part, error: BudSimError) -> Sequence[OutgoingMessage]:
        """Return the news that a part could not be narrowed."""
        result = worn_out(part, self._max_attempts)
        return (self._messages.part_finished(part, replace(result, reason=f"{result.reason}: {error.message}")),)

    async def _current(self, part: Part, table: Blacklist | None) -> Blacklist:
        """Return the table's copy unless it is older than what plan saw; it is never waited for."""
        if table is not None and table.version >= part.blacklist_version:
            return table
        if table is None and part.blacklist_version == 0:
            return Blacklist(key=part.key, version=0, entries=())
        return await self._blacklists.get(part.key)


def worn_out(part: Part, attempts: int) -> PartResult:
    """Return the result of a part that used up its attempts."""
    return PartResult(
        part_id=part.part_id,
        status=PartStatus.FAILED,
        reason=f"computing {part.group.accelerator.name} × {part.engine.kind} on {part.group.cluster_id} failed {attempts} times",
        remedy="send the request again; if it fails again, report the part_id",
    )
