"""Progress of one workflow: every step in its order, numbered without a gap, also where it fails."""

import json
from typing import Any

import pytest

from tests.support.in_process import InProcess
from tests.support.stack import example_request
from topics import catalogue

OPENING = [
    ("workflow_metadata", "STARTED"),
    ("validation", "STARTED"),
    ("eta", "RUNNING"),
    ("validation", "COMPLETED"),
    ("performance_estimation", "STARTED"),
]
JUDGED = [("performance_estimation", "COMPLETED"), ("ranking", "STARTED")]
REFUSED = [("workflow_metadata", "STARTED"), ("validation", "STARTED"), ("validation", "FAILED")]
TOO_LARGE = {"pretrained_model_uri": "deepseek-ai/DeepSeek-V3", "engines": ["vllm"]}


async def told(services: InProcess, **changes: Any) -> list[dict[str, Any]]:
    """Return the progress of a request that has ended."""
    workflow_id = await services.ask(example_request(**changes))
    await services.answer_of(workflow_id)
    key = str(workflow_id).encode()

    def events() -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in services.keyed(catalogue.PROGRESS, key)]

    await services.until(lambda: any(_status(event) == "FAILED" or _step(event) == "results" for event in events()))
    return events()


def _step(event: dict[str, Any]) -> str:
    return str(event["payload"]["event"])


def _status(event: dict[str, Any]) -> str:
    return str(event["payload"]["content"]["status"])


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"engines": ["vllm"]}, [*OPENING, *JUDGED, ("ranking", "COMPLETED"), ("results", "COMPLETED")]),
        (TOO_LARGE, [*OPENING, *JUDGED, ("ranking", "FAILED")]),
        ({"pretrained_model_uri": "nobody/knows-this"}, REFUSED),
        ({"clusters": [{"id": "empty", "nodes": []}]}, REFUSED),
    ],
)
async def test_the_steps_come_in_the_order_of_the_contract_numbered_without_a_gap(
    on_a100: InProcess, changes: dict[str, Any], steps: list[tuple[str, str]]
) -> None:
    events = await told(on_a100, **changes)
    assert [(_step(event), _status(event)) for event in events] == steps
    assert [event["seq"] for event in events] == list(range(len(events)))
    (last,) = events[-1:]
    content = last["payload"]["content"]
    if _status(last) == "FAILED":
        assert content["primary_action"] == "retry"
        assert content["message"]
        assert content["result"] is None
    else:
        assert content["result"]["recommendations"]


async def test_the_eta_is_whole_minutes_as_text_and_seconds_beside(on_a100: InProcess) -> None:
    (eta,) = [event for event in await told(on_a100) if _step(event) == "eta"]
    assert int(eta["payload"]["content"]["message"]) >= 1
    assert eta["eta_s"] > 0


async def test_callers_are_told_under_their_own_id_and_see_their_metadata_again(on_a100: InProcess) -> None:
    metadata = {"name": "budapp", "subscriber_ids": ["u1"], "workflow_id": "their-own"}
    for event in await told(on_a100, notification_metadata=metadata):
        assert event["payload"]["workflow_id"] == "their-own"
        assert event["notification_metadata"] == metadata
