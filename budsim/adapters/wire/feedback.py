"""FeedbackGiven → FeedbackReport."""

from uuid import UUID

from budsim.core.units import ms_to_seconds
from budsim.services.ports import FeedbackReport
from topics.feedback import FeedbackGiven


def report_from_event(event: FeedbackGiven, *, event_id: UUID) -> FeedbackReport:
    """Return the report in SI units; `event_id` tells a redelivered one from the same words said again."""
    observed = event.observed
    ttft = observed.ttft if observed else None
    return FeedbackReport(
        event_id=event_id,
        config_id=event.config_id,
        failed=event.failed,
        reason=event.reason or "",
        workflow_id=event.workflow_id,
        observed_ttft_s=None if ttft is None else ms_to_seconds(ttft),
        observed_throughput_per_user=observed.throughput_per_user if observed else None,
        observed_e2e_s=observed.e2e_latency if observed else None,
        observed_concurrency=observed.concurrency if observed else None,
    )
