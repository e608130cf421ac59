"""progress.v1, key workflow_id: how far a workflow is. Plan, gather and feedback write here."""

from enum import StrEnum
from typing import Any, ClassVar, Final, Literal

from topics.wire import Event, WireModel

FEEDBACK_APPLIED: Final = "feedback applied"
FEEDBACK_REFUSED: Final = "feedback refused"


class ProgressStatus(StrEnum):
    """State of a step."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class ProgressContent(WireModel):
    """What a person sees."""

    title: str
    message: str
    status: ProgressStatus
    result: dict[str, Any] | None = None
    primary_action: str | None = None


class ProgressPayload(WireModel):
    """The envelope notification services expect."""

    category: Literal["internal"] = "internal"
    type: Literal["get_cluster_recommendations"] = "get_cluster_recommendations"
    event: str
    workflow_id: str
    source: Literal["budsim"] = "budsim"
    content: ProgressContent


class ProgressReported(Event):
    """One step forward. `seq` orders the events of one workflow."""

    ce_type: ClassVar[str] = "budsim.progress.reported.v1"

    payload: ProgressPayload
    notification_metadata: dict[str, Any] | None = None
    workflow_id: str
    seq: int
    eta_s: float | None = None
    percent: int | None = None
