"""What travels with a workflow over real topics: its trace, each event's parent, and an end that is the end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.app import create_stores
from budsim.cli.kafka import read_all
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Record, header_text
from tests.support.databases import Database
from tests.support.stack import Stack, example_request, running_stack, wait_for
from topics import catalogue

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STAGES = (catalogue.EVALUATIONS, catalogue.SEARCHES, catalogue.WORKFLOW_EVENTS, catalogue.PROGRESS, catalogue.RECOMMENDATIONS)


@pytest.fixture
def stack(
    kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path, workers=("flow",)) as running:
        yield running


async def records(stack: Stack, topic: str) -> list[Record]:
    return await read_all(stack.settings.kafka, stack.settings.topic_prefix + topic)


async def progress_of(stack: Stack, workflow_id: Any) -> list[dict[str, Any]]:
    found = [json.loads(record.value or b"") for record in await records(stack, catalogue.PROGRESS)]
    return [event for event in found if event["workflow_id"] == str(workflow_id)]


async def test_the_trace_and_the_parent_pass_through_every_stage_from_a_structured_cloudevent_on(stack: Stack) -> None:
    stack.start("eval-0")
    await stack.report_examples()
    workflow_id = uuid4()
    body = example_request(workflow_id=str(workflow_id)).model_dump(mode="json", exclude_none=True)
    event = {"specversion": "1.0", "id": "asked-1", "type": "t", "source": "team", "traceparent": TRACE, "data": body}
    structured = OutgoingMessage(
        topic=stack.settings.topic_prefix + catalogue.SIMULATION_REQUESTS,
        key=None,
        value=json.dumps(event).encode(),
        headers=(("content-type", b"application/cloudevents+json; charset=utf-8"),),
    )
    await stack.send(structured)
    assert (await stack.answer(workflow_id, deadline_s=60)).status == "completed"

    found = {topic: await records(stack, topic) for topic in STAGES}
    ids = {header_text(record.headers, "ce_id") for stage in found.values() for record in stage} | {"asked-1"}
    for topic, stage in found.items():
        assert stage, topic
        for record in stage:
            assert header_text(record.headers, "traceparent") == TRACE, topic
            assert header_text(record.headers, "correlationid") == str(workflow_id), topic
            assert header_text(record.headers, "causationid") in ids, topic
    assert {header_text(record.headers, "causationid") for record in found[catalogue.EVALUATIONS]} == {"asked-1"}
    asked = {header_text(record.headers, "ce_id") for record in found[catalogue.EVALUATIONS]}
    assert {header_text(record.headers, "causationid") for record in found[catalogue.SEARCHES]} <= asked


async def test_after_a_cancellation_nothing_more_is_told(stack: Stack) -> None:
    await stack.report_examples()
    workflow_id = uuid4()
    await stack.send(stack.messages.request(example_request(), workflow_id, traceparent=TRACE))

    async def planned() -> bool:
        return bool(await records(stack, catalogue.EVALUATIONS))

    await wait_for(planned, deadline_s=60)
    stores = create_stores(stack.settings)
    await stores.workflows.cancel(workflow_id)
    await stores.outbox.publish(str(workflow_id))
    await stores.publisher.stop()
    told = await progress_of(stack, workflow_id)
    last = told[-1]["payload"]
    assert (last["event"], last["content"]["status"], last["content"]["primary_action"]) == ("performance_estimation", "FAILED", "retry")
    assert "was cancelled" in last["content"]["message"]
    assert [event["seq"] for event in told] == list(range(len(told)))
    (answer,) = await records(stack, catalogue.RECOMMENDATIONS)
    assert json.loads(answer.value or b"")["error"]["code"] == "cancelled"
    assert header_text(answer.headers, "traceparent") == TRACE

    stack.start("eval-0")
    await stack.send(stack.messages.request(example_request(), other := uuid4()))
    await stack.answer(other, deadline_s=60)  # the parts of the cancelled one were before it, and dropped
    assert await progress_of(stack, workflow_id) == told
    assert len(await records(stack, catalogue.RECOMMENDATIONS)) == 2
