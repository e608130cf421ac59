"""feedback.v1, key config_id: what became of a recommended configuration."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from topics.wire import Amount, Concurrency, Event, SentModel


class ObservedBody(SentModel):
    """Means measured on the deployment: ttft [ms], throughput [output tokens/s of one user], e2e [s]; and the users of one replica."""

    ttft: Amount | None = None
    throughput_per_user: Amount | None = None
    e2e_latency: Amount | None = None
    concurrency: Concurrency | None = None


class FeedbackGiven(Event, SentModel):
    """A configuration failed, or works again."""

    ce_type: ClassVar[str] = "budsim.feedback.given.v1"

    config_id: UUID
    failed: bool
    reason: Annotated[str, Field(max_length=2000)] | None = None
    workflow_id: UUID | None = None
    observed: ObservedBody | None = None
