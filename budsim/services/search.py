"""Search: find the best configurations of a narrowed part, off the event loop."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from budsim.core.errors import BudSimError
from budsim.core.search.part import PartResult, SearchTask
from budsim.services.evaluate import worn_out
from budsim.services.ports import ComputePool, Messages, OutgoingMessage, Stage, WorkflowStore


class Searcher:
    """The search stage; `compute` must be importable by a child process."""

    def __init__(
        self,
        *,
        workflows: WorkflowStore,
        pool: ComputePool,
        messages: Messages,
        compute: Callable[[SearchTask], PartResult],
        max_attempts: int,
    ) -> None:
        self._workflows = workflows
        self._pool = pool
        self._messages = messages
        self._compute = compute
        self._max_attempts = max_attempts

    async def search(self, task: SearchTask) -> Sequence[OutgoingMessage]:
        """Return the news of the part's result, or nothing when it is no longer wanted."""
        part = task.part
        claim = await self._workflows.claim_part(part.part_id, Stage.SEARCH)
        if not claim.open:
            return ()
        if claim.attempts > self._max_attempts:
            return (self._messages.part_finished(part, worn_out(part, claim.attempts - 1)),)
        result = await self._pool.run(self._compute, task)
        return (self._messages.part_finished(part, result),)

    def give_up(self, task: SearchTask, error: BudSimError) -> Sequence[OutgoingMessage]:
        """Return the news that a part could not be computed."""
        result = worn_out(task.part, self._max_attempts)
        return (self._messages.part_finished(task.part, replace(result, reason=f"{result.reason}: {error.message}")),)
