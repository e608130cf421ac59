"""The gather agent: news whose last attempt failed ends the workflow, for nothing else would."""

from uuid import uuid4

from agents.gather import gather_route
from budsim.core.errors import BudSimError
from budsim.core.ranking.recommendation import Completion
from budsim.services.gather import Gatherer
from budsim.services.ports import WorkflowStatus
from budsim.stream.codec import Codec, Received, Record
from tests.support.service_fakes import FakeBlacklists, FakeOutbox, FakeWorkflows, PlainMessages, Workflow
from tests.support.storage_values import FakeClock, make_request
from topics.workflow_events import DeadlineReached, WorkflowEvent


async def test_the_last_failed_attempt_ends_the_workflow_with_the_error() -> None:
    workflows = FakeWorkflows(FakeBlacklists())
    request = make_request(uuid4())
    workflow = workflows.stored[request.workflow_id] = Workflow(request=request, status=WorkflowStatus.RUNNING)
    gatherer = Gatherer(workflows=workflows, outbox=FakeOutbox(), messages=PlainMessages(), clock=FakeClock(0.0))
    route = gather_route(gatherer, Codec(WorkflowEvent, max_value_bytes=10**6))
    record = Record(topic="t", partition=0, offset=0, key=None, value=b"", headers=())
    event = WorkflowEvent(workflow_id=request.workflow_id, body=DeadlineReached())
    assert await route.failed(Received(record=record, event=event), BudSimError("TimeoutError: 20 s", remedy="again")) == ()
    assert workflow.status is WorkflowStatus.FAILED
    assert workflow.answer is not None
    assert workflow.answer.completion is Completion.FAILED
    assert workflow.answer.failure is not None
    assert workflow.answer.failure.message == "TimeoutError: 20 s"
