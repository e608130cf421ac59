"""workflow-events.v1 → progress, and the answer when the last part or the deadline is in."""

from collections.abc import Sequence

from budsim.core.errors import BudSimError
from budsim.services.gather import Gatherer
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, Received
from budsim.stream.loop import Route
from topics.workflow_events import DeadlineReached, PartFinished, WorkflowEvent


def gather_route(gatherer: Gatherer, codec: Codec[WorkflowEvent]) -> Route[WorkflowEvent]:
    """Return the route of workflow events."""

    async def handle(received: Received[WorkflowEvent]) -> Sequence[OutgoingMessage]:
        event = received.event
        match event.body:
            case PartFinished():
                await gatherer.part_finished(event.workflow_id, event.body.result)
            case DeadlineReached():
                await gatherer.deadline_reached(event.workflow_id)
        return ()

    async def failed(received: Received[WorkflowEvent], error: BudSimError) -> Sequence[OutgoingMessage]:
        await gatherer.give_up(received.event.workflow_id, error)
        return ()

    return Route(agent="gather", codec=codec, handle=handle, failed=failed)
