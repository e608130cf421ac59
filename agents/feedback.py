"""feedback.v1 → PostgreSQL marked, the blacklist told, «feedback applied» on progress.v1."""

from collections.abc import Sequence

from budsim.adapters.wire.feedback import report_from_event
from budsim.adapters.wire.messages import KafkaMessages
from budsim.services.feedback import FeedbackTaker
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, Received
from budsim.stream.loop import Route
from topics.feedback import FeedbackGiven


def feedback_route(taker: FeedbackTaker, messages: KafkaMessages, codec: Codec[FeedbackGiven]) -> Route[FeedbackGiven]:
    """Return the route of feedback."""

    async def handle(received: Received[FeedbackGiven]) -> Sequence[OutgoingMessage]:
        workflow_id = await taker.apply(report_from_event(received.event))
        return (messages.feedback_applied(workflow_id, received.event.config_id),)

    return Route(agent="feedback", codec=codec, handle=handle)
