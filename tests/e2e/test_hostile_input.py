"""Input nobody invented: whatever it is, it ends in exactly one outcome, and what comes between is answered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import ValidationError

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.cli.kafka import read_all
from budsim.cli.simulate import answer_here
from budsim.config import load_settings
from budsim.core.errors import InvalidInput
from budsim.stream.dead_letters import DeadLetter
from tests.support import hostile
from tests.support.databases import Database
from tests.support.stack import Stack, running_stack
from topics import catalogue
from topics.clusters import ClusterUpdated
from topics.simulation_requests import SimulationRequested

MANY, SOME = 100, 100
QUIET = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


@given(body=hostile.good_requests)
@settings(max_examples=MANY, deadline=None, suppress_health_check=QUIET)
async def test_every_request_that_can_be_read_is_answered_in_process(body: dict[str, Any]) -> None:
    try:
        event = SimulationRequested.model_validate_json(json.dumps(body))
    except ValidationError:
        return  # the codec's case
    topologies = [ClusterUpdated.model_validate(cluster.model_dump()) for cluster in event.clusters or []]
    try:
        answer = await answer_here(load_settings(hub_enabled=False), event, topologies)
    except InvalidInput as error:
        assert error.param, error
        assert error.remedy, error
        return
    json.loads(answer.model_dump_json(), parse_constant=pytest.fail)
    if answer.status == "failed":
        assert answer.error is not None
        assert answer.error.message
        assert answer.error.remedy
    else:
        assert all(item.configurations and item.configurations[0].replicas for item in answer.recommendations)


def drawn(count: int) -> list[dict[str, Any]]:
    """Return so many hostile requests, the same each time."""
    found: list[dict[str, Any]] = []

    @given(body=hostile.requests)
    @settings(max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=QUIET)
    def collect(body: dict[str, Any]) -> None:
        found.append(body)

    collect()
    return found


@pytest.fixture
def stack(
    kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    monkeypatch.setenv("BUDSIM_CLUSTER_WAIT_S", "1")
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path) as running:
        yield running


async def test_a_hundred_hostile_requests_each_end_once_and_stop_nobody(stack: Stack) -> None:
    await stack.report_examples()
    bodies = drawn(SOME)
    keys, good = [], []
    for number, body in enumerate(bodies):
        keys.append(uuid4())
        value = json.dumps({name: item for name, item in body.items() if name != "workflow_id"}).encode()
        await stack.send(stack.raw(value, key=str(keys[-1]).encode()))
        if number % 10 == 0:
            good += await stack.ask()
    await stack.drained(deadline_s=120.0)

    answers = await stack.answers()
    assert {str(workflow_id) for workflow_id in (*keys, *good)} == set(answers)
    for found in answers.values():
        assert len({ce_id for ce_id, _ in found}) == 1
    assert {answers[str(workflow_id)][0][1].status for workflow_id in good} == {"completed"}

    letters = [DeadLetter.from_record(record) for record in await _dead_letters(stack)]
    assert {letter.topic for letter in letters} == {stack.settings.topic_prefix + catalogue.SIMULATION_REQUESTS}
    buried = {(letter.record.key or b"").decode() for letter in letters}
    assert len(buried) == len(letters)
    assert all(answers[key][0][1].status == "failed" for key in buried)
    assert {letter.error for letter in letters} <= {"DecodeFailure", "InvalidInput"}
    assert all(process.poll() is None for process in stack.processes.values())


async def _dead_letters(stack: Stack) -> list[Any]:
    return await read_all(stack.settings.kafka, stack.settings.topic_prefix + catalogue.DEAD_LETTERS)
