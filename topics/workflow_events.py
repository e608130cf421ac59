"""workflow-events.v1, key workflow_id: what gather waits for."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from budsim.core.search.part import PartResult
from topics.wire import Event


class WorkflowEvent(Event):
    """One message of the topic: a finished part, or the passing of the deadline."""

    ce_type: ClassVar[str] = "budsim.workflow.advanced.v1"

    workflow_id: UUID
    body: Annotated["PartFinished | DeadlineReached", Field(discriminator="kind")]


class PartFinished(Event):
    """A part has its result: found, infeasible, or failed."""

    ce_type: ClassVar[str] = "budsim.part.finished.v1"

    kind: Literal["part_finished"] = "part_finished"
    result: PartResult


class DeadlineReached(Event):
    """The workflow's deadline has passed."""

    ce_type: ClassVar[str] = "budsim.deadline.reached.v1"

    kind: Literal["deadline_reached"] = "deadline_reached"
