"""What the listeners of a workflow are told when it is cancelled: one last event on each topic."""

from typing import Final
from uuid import UUID

from budsim.core.ranking.recommendation import Completion, Failure, Recommendation
from budsim.services.ports import StepProgress, WorkflowStatus

CANCELLED: Final = Failure(code="cancelled", message="the workflow was cancelled", remedy="send the request under a new id to run it")


def cancellation(status: WorkflowStatus) -> StepProgress:
    """Return the end of the step that a workflow in this state was at."""
    event = "performance_estimation" if status is WorkflowStatus.RUNNING else "validation"
    text = f"{CANCELLED.message}. {CANCELLED.remedy}"
    return StepProgress(event=event, title=event.replace("_", " ").capitalize(), message=text, status="FAILED", primary_action="retry")


def cancelled_answer(workflow_id: UUID, *, created_s: float) -> Recommendation:
    """Return the answer of a cancelled workflow."""
    return Recommendation(workflow_id=str(workflow_id), completion=Completion.FAILED, clusters=(), failure=CANCELLED, created_s=created_s)
