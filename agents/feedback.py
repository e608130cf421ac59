"""feedback.v1 → PostgreSQL marked, the blacklist told, «feedback applied» on progress.v1."""

from collections.abc import Sequence
from uuid import UUID, uuid5

from budsim.adapters.wire.feedback import report_from_event
from budsim.adapters.wire.messages import NAMESPACE, KafkaMessages
from budsim.core.errors import BudSimError
from budsim.services.feedback import FeedbackTaker
from budsim.services.plan import failure_of
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, Received, Record
from budsim.stream.loop import Route
from topics.feedback import FeedbackGiven


def feedback_route(taker: FeedbackTaker, messages: KafkaMessages, codec: Codec[FeedbackGiven]) -> Route[FeedbackGiven]:
    """Return the route of feedback."""

    async def handle(received: Received[FeedbackGiven]) -> Sequence[OutgoingMessage]:
        event_id = _event_id(received.record)
        workflow_id = await taker.apply(report_from_event(received.event, event_id=event_id))
        return (messages.feedback_applied(workflow_id, event_id),)

    async def failed(received: Received[FeedbackGiven], error: BudSimError) -> Sequence[OutgoingMessage]:
        workflow_id = received.event.workflow_id
        return (messages.feedback_refused(workflow_id, _event_id(received.record), failure_of(error)),) if workflow_id else ()

    return Route(agent="feedback", codec=codec, handle=handle, failed=failed)


def _event_id(record: Record) -> UUID:
    """Return the identity of a report: its place, which a redelivery keeps and a second report of the same words does not."""
    return uuid5(NAMESPACE, f"{record.topic}/{record.partition}/{record.offset}")
