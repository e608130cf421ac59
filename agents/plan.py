"""simulation-requests.v1 → a started or failed workflow."""

from collections.abc import Sequence
from uuid import UUID, uuid5

from budsim.adapters.wire.messages import NAMESPACE, KafkaMessages
from budsim.adapters.wire.requests import Caller, RequestDefaults, request_from_event
from budsim.core.errors import BudSimError
from budsim.core.ranking.recommendation import Failure
from budsim.services.causation import trace_context
from budsim.services.plan import Planner, failure_of
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, DecodeFailure, Received, Record
from budsim.stream.loop import Route
from topics.simulation_requests import SimulationRequested


def plan_route(
    planner: Planner, messages: KafkaMessages, defaults: RequestDefaults, codec: Codec[SimulationRequested]
) -> Route[SimulationRequested]:
    """Return the route of requests."""

    async def handle(received: Received[SimulationRequested]) -> Sequence[OutgoingMessage]:
        caller = Caller(traceparent=trace_context(received.header("traceparent")))
        workflow_id = workflow_id_of(received.record, received.event.workflow_id)
        await planner.plan(request_from_event(received.event, workflow_id=workflow_id, defaults=defaults, caller=caller))
        return ()

    async def refuse(workflow_id: UUID, failure: Failure) -> Sequence[OutgoingMessage]:
        return () if await planner.refuse(workflow_id, failure) else messages.refusal(workflow_id, failure)

    async def undecodable(failed: DecodeFailure) -> Sequence[OutgoingMessage]:
        workflow_id = _uuid(failed.workflow_id)
        failure = Failure(code="invalid_input", message=failed.reason, remedy="mend the request and send it again")
        return await refuse(workflow_id, failure) if workflow_id else ()

    async def failed(received: Received[SimulationRequested], error: BudSimError) -> Sequence[OutgoingMessage]:
        return await refuse(workflow_id_of(received.record, received.event.workflow_id), failure_of(error))

    return Route(agent="plan", codec=codec, handle=handle, undecodable=undecodable, failed=failed)


def workflow_id_of(record: Record, given: UUID | None) -> UUID:
    """Return the id of a request: its own, its key, or one made of its place in the topic."""
    key = _uuid(record.key.decode("utf-8", "replace")) if record.key else None
    return given or key or uuid5(NAMESPACE, f"{record.topic}/{record.partition}/{record.offset}")


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
