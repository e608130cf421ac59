"""Every message carries its CloudEvents headers, names its parent, and stays within what readers take."""

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from budsim.adapters.wire.messages import KafkaMessages
from budsim.core.errors import MessageTooLarge
from budsim.core.ranking.recommendation import Failure
from budsim.core.search.part import Blacklist, SearchTask
from budsim.services.causation import following
from budsim.services.gather import ranked
from budsim.services.ports import OutgoingMessage, PlanNotes, StepProgress, StoredPart
from tests.support.storage_values import FakeClock, answer_of, make_request, parts_of, result_of
from topics.clusters import ClusterUpdated
from topics.feedback import FeedbackGiven
from topics.recommendations import RecommendationMade
from topics.simulation_requests import SimulationRequested

WORKFLOW = UUID("1b671a64-40d5-491e-99b0-da01ff1f3341")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MESSAGES = KafkaMessages(prefix="p.", clock=FakeClock(0.0))
REQUEST = make_request(WORKFLOW)
(PART,) = parts_of(WORKFLOW, "c1")
ASKED = SimulationRequested(pretrained_model_uri="org/m", input_tokens=1, output_tokens=1, concurrency=1)
STEP = StepProgress(event="validation", title="Validation", message="checked", status="STARTED")

FACTS: dict[str, Callable[[], OutgoingMessage]] = {
    "budsim.simulation.requested.v1": lambda: MESSAGES.request(ASKED, WORKFLOW),
    "budsim.feedback.given.v1": lambda: MESSAGES.feedback(FeedbackGiven(config_id=WORKFLOW, failed=True, workflow_id=WORKFLOW)),
    "budsim.progress.reported.v1": lambda: MESSAGES.progress(REQUEST, STEP, 3)[0],
    "budsim.cluster.updated.v1": lambda: MESSAGES.cluster(ClusterUpdated(id="c1")),
    "budsim.evaluation.requested.v1": lambda: MESSAGES.evaluation(PART),
    "budsim.search.requested.v1": lambda: MESSAGES.search(SearchTask(part=PART, layouts=(), blacklist=())),
    "budsim.workflow.advanced.v1": lambda: MESSAGES.part_finished(PART, result_of(PART)),
    "budsim.recommendation.made.v1": lambda: MESSAGES.recommendation(answer_of(REQUEST, [PART])),
    "budsim.blacklist.updated.v1": lambda: MESSAGES.blacklist(Blacklist(key=PART.key, version=1, entries=())),
}
OF_A_WORKFLOW = FACTS.keys() - {"budsim.cluster.updated.v1", "budsim.blacklist.updated.v1"}


def headers(message: OutgoingMessage) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers}


@pytest.mark.parametrize("ce_type", FACTS)
def test_a_message_is_a_cloudevent_in_binary_mode(ce_type: str) -> None:
    message = FACTS[ce_type]()
    found = headers(message)
    assert (found["ce_specversion"], found["ce_type"], found["ce_source"]) == ("1.0", ce_type, "budsim")
    assert found["ce_subject"].encode() == message.key
    assert found["ce_time"] == "1970-01-01T00:00:00+00:00"
    assert found["content-type"] == "application/json"
    assert UUID(found["ce_id"]).version == 5
    assert ("correlationid" in found) == (ce_type in OF_A_WORKFLOW)
    assert found.keys().isdisjoint({"causationid", "traceparent"})


@pytest.mark.parametrize("ce_type", FACTS)
def test_the_same_fact_has_the_same_id_whatever_led_to_it(ce_type: str) -> None:
    first = headers(FACTS[ce_type]())
    with following("another-parent", None):
        assert headers(FACTS[ce_type]())["ce_id"] == first["ce_id"]


@pytest.mark.parametrize("ce_type", FACTS)
def test_what_follows_from_an_event_names_it_and_carries_its_trace_on(ce_type: str) -> None:
    with following("parent-1", TRACE):
        found = headers(FACTS[ce_type]())
    assert (found["causationid"], found["traceparent"]) == ("parent-1", TRACE)


@pytest.mark.parametrize("text", ["", "nonsense", TRACE + "\n", TRACE.upper(), "00-\x00"])
def test_a_trace_context_that_is_none_is_not_passed_on(text: str) -> None:
    with following("parent-1", text):
        assert "traceparent" not in headers(MESSAGES.evaluation(PART))


def test_facts_that_differ_have_ids_that_differ() -> None:
    others = [MESSAGES.progress(REQUEST, STEP, 4)[0], MESSAGES.deadline(WORKFLOW), MESSAGES.evaluation(parts_of(WORKFLOW, "c2")[0])]
    ids = [headers(message)["ce_id"] for message in [*others, *(fact() for fact in FACTS.values())]]
    assert len(set(ids)) == len(ids)


def test_progress_goes_to_every_source_topic_of_the_request_as_it_goes_to_progress() -> None:
    request = replace(REQUEST, source_topics=("team.a", "team.b"), notification_workflow_id="theirs", notification_metadata={"name": "n"})
    step = replace(STEP, event="eta", status="RUNNING", message="2", eta_s=95.0)
    sent = MESSAGES.progress(request, step, 2)
    assert [message.topic for message in sent] == ["p.progress.v1", "team.a", "team.b"]
    assert {message.key for message in sent} == {str(WORKFLOW).encode()}
    (body,) = {message.value for message in sent}
    assert json.loads(body or b"") == {
        "payload": {
            "category": "internal",
            "type": "get_cluster_recommendations",
            "event": "eta",
            "workflow_id": "theirs",
            "source": "budsim",
            "content": {"title": "Validation", "message": "2", "status": "RUNNING", "result": None, "primary_action": None},
        },
        "notification_metadata": {"name": "n"},
        "workflow_id": str(WORKFLOW),
        "seq": 2,
        "eta_s": 95.0,
        "percent": None,
    }


def test_the_answer_carries_the_version_of_its_data() -> None:
    parts = [StoredPart(part=PART, result=result_of(PART))]
    notes = PlanNotes(data_version="catalogue-1")
    answer = ranked(REQUEST, parts, [result_of(PART)], notes=notes, created_s=0.0)
    event = RecommendationMade.model_validate_json(MESSAGES.recommendation(answer).value or b"")
    assert [item.data_version for item in event.recommendations] == ["catalogue-1"]


def test_a_message_over_the_limit_is_refused_with_its_size_and_the_limit() -> None:
    small = KafkaMessages(prefix="p.", clock=FakeClock(0.0), max_value_bytes=500)
    with pytest.raises(MessageTooLarge, match=r"recommendation\.made\.v1 for 1b671a64.* has [\d,]+ bytes, over the 500 .*smaller top_k"):
        small.recommendation(answer_of(REQUEST, [PART]))


def test_the_limit_is_that_of_the_readers() -> None:
    failure = Failure(code="x", message="m" * 512 * 1024)
    with pytest.raises(MessageTooLarge, match="524,288"):
        MESSAGES.refusal(WORKFLOW, failure)
