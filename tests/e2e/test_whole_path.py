"""A request on Kafka becomes a recommendation on Kafka and in PostgreSQL."""

import asyncio
import json
import signal
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.app import create_stores
from budsim.cli.kafka import read_all
from budsim.stream.dead_letters import DeadLetter
from tests.support.databases import Database, create_database, drop_database
from tests.support.stack import Stack, example_request, running_stack, wait_for
from topics import catalogue
from topics.feedback import FeedbackGiven


@pytest.fixture(scope="module")
def stack(
    kafka: EmbeddedKafka, postgres: EmbeddedPostgres, migrated_template: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One flow and one eval worker for all of these tests; the last one ends them."""
    database = create_database(postgres.dsn, template=migrated_template.name)
    prefix, folder = f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("whole-path")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BUDSIM_HUB_ENABLED", "false")
        with running_stack(kafka.bootstrap, database.dsn, prefix, folder) as running:
            yield running
    drop_database(postgres.dsn, database)


async def _ask(stack: Stack, **changes: object) -> UUID:
    workflow_id = uuid4()
    await stack.send(stack.messages.request(example_request(**changes), workflow_id))
    return workflow_id


async def test_a_request_is_answered_on_kafka_and_in_postgresql(stack: Stack) -> None:
    await stack.report_examples()
    workflow_id = await _ask(stack)
    answer = await stack.answer(workflow_id, deadline_s=45)
    assert answer.status == "completed"
    assert {item.cluster_id for item in answer.recommendations} == {"a100-cluster", "l40s-cluster"}

    rows = await stack.rows("SELECT config_id FROM simulation_results WHERE workflow_id = $1", workflow_id)
    stored = {str(row["config_id"]) for row in rows}
    assert {body.config_id for item in answer.recommendations for body in item.configurations} <= stored
    (workflow,) = await stack.rows("SELECT status FROM workflows WHERE id = $1", workflow_id)
    assert workflow["status"] == "COMPLETED"


async def test_progress_events_arrive_in_order(stack: Stack) -> None:
    await stack.report_examples()
    workflow_id = await _ask(stack)
    await stack.answer(workflow_id, deadline_s=45)

    async def complete() -> list[dict[str, object]] | None:
        records = await read_all(stack.settings.kafka, stack.settings.topic_prefix + catalogue.PROGRESS)
        events = [json.loads(record.value or b"") for record in records if record.key == str(workflow_id).encode()]
        return events if events and events[-1]["payload"]["event"] == "results" else None

    events = await wait_for(complete, deadline_s=10)
    assert [event["seq"] for event in events] == list(range(len(events)))
    steps = [(event["payload"]["event"], event["payload"]["content"]["status"]) for event in events]
    first = ["workflow_metadata", "validation", "eta", "validation", "performance_estimation"]
    assert [event for event, _ in steps[:5]] == first
    assert steps[-3:] == [("ranking", "STARTED"), ("ranking", "COMPLETED"), ("results", "COMPLETED")]
    running = [event["percent"] for event in events if event["payload"]["content"]["status"] == "RUNNING" and event["percent"]]
    assert running == sorted(running)
    assert len(running) >= 3


async def test_what_feedback_says_has_failed_is_left_out_of_the_next_answer(stack: Stack) -> None:
    await stack.report_examples()
    workflow_id = await _ask(stack)
    chosen = (await stack.answer(workflow_id, deadline_s=45)).recommendations[0].configurations[0]
    feedback = FeedbackGiven(config_id=UUID(chosen.config_id), failed=True, reason="the pod crashed", workflow_id=workflow_id)
    await stack.send(stack.messages.feedback(feedback))

    async def marked() -> bool:
        rows = await stack.rows("SELECT is_blacklisted FROM simulation_results WHERE config_id = $1", UUID(chosen.config_id))
        return bool(rows[0]["is_blacklisted"])

    await wait_for(marked, deadline_s=10)
    again = await stack.answer(await _ask(stack), deadline_s=30)
    for item in again.recommendations:
        for body in item.configurations:
            same_place = (item.cluster_id, body.device_type) == (_cluster_of(again, chosen.config_id), chosen.device_type)
            layout = (body.engine, body.tp_size, body.pp_size, body.device_name)
            assert not (same_place and layout == (chosen.engine, chosen.tp_size, chosen.pp_size, chosen.device_name))
    assert chosen.config_id in {config_id for item in again.recommendations for config_id in item.excluded_config_ids}


def _cluster_of(answer: object, config_id: str) -> str:
    return next(item.cluster_id for item in answer.recommendations if config_id in item.excluded_config_ids)  # type: ignore[attr-defined]


async def test_bad_input_is_dead_lettered_with_its_reason_and_good_requests_between_are_answered(stack: Stack) -> None:
    await stack.report_examples()
    good = example_request().model_dump(mode="json", exclude_none=True)
    bad = {
        "not JSON": b"{nonsense",
        "pretrained_model_uri": b'{"hello": "world"}',
        "null": None,
        "input_tokens": json.dumps(good | {"input_tokens": 0}).encode(),
        "NaN": json.dumps(good | {"target_ttft": float("nan")}).encode(),
        "524288": json.dumps(good | {"source": "x" * 614_400}).encode(),
    }
    asked = []
    for value in bad.values():
        await stack.send(stack.raw(value, key=str(uuid4()).encode()))
        asked.append(await _ask(stack))
    for workflow_id in asked:
        assert (await stack.answer(workflow_id, deadline_s=45)).status == "completed"
    await stack.drained()
    records = await read_all(stack.settings.kafka, stack.settings.topic_prefix + catalogue.DEAD_LETTERS)
    letters = [DeadLetter.from_record(record) for record in records]
    assert {letter.record.value for letter in letters} == set(bad.values())
    for hint, value in bad.items():
        (letter,) = [item for item in letters if item.record.value == value]
        assert hint.lower() in letter.reason.lower().replace(",", "")


@pytest.mark.parametrize(
    ("changes", "code", "hint"),
    [
        ({"pretrained_model_uri": "meta-llama/Llama-3.1-8B-Instrukt"}, "model_not_found", "meta-llama/Llama-3.1-8B-Instruct"),
        ({"pretrained_model_uri": "deepseek-ai/DeepSeek-V3"}, "does_not_fit", ""),
    ],
)
async def test_what_cannot_be_done_ends_as_failed_with_reason_and_remedy(
    stack: Stack, changes: dict[str, str], code: str, hint: str
) -> None:
    await stack.report_examples()
    answer = await stack.answer(await _ask(stack, **changes), deadline_s=45)
    assert answer.status == "failed"
    assert answer.error is not None
    assert answer.error.code == code
    assert answer.error.remedy
    assert hint in answer.error.remedy


async def test_a_request_that_was_cancelled_before_it_came_is_not_answered(stack: Stack) -> None:
    await stack.report_examples()
    cancelled = uuid4()
    await create_stores(stack.settings).workflows.cancel(cancelled)
    await stack.send(stack.messages.request(example_request(), cancelled))
    await stack.answer(await _ask(stack), deadline_s=45)
    (row,) = await stack.rows("SELECT status FROM workflows WHERE id = $1", cancelled)
    assert row["status"] == "CANCELLED"
    assert str(cancelled) not in await stack.answers()


async def test_sigterm_ends_a_worker_within_ten_seconds(stack: Stack) -> None:
    await stack.report_examples()
    await stack.answer(await _ask(stack), deadline_s=45)
    started = asyncio.get_running_loop().time()
    stack.kill("flow", signal.SIGTERM)
    assert asyncio.get_running_loop().time() - started < 10
