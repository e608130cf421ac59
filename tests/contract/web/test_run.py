"""POST /simulator/run."""

import asyncio
import json
from uuid import UUID, uuid4, uuid5

import pytest

from budsim.adapters.wire.requests import Caller, request_from_event
from budsim.services.ports import WorkflowStatus
from budsim.web import waiting as waiting_module
from tests.support.storage_values import answer_of, make_request, parts_of
from tests.support.waiting import wait_until
from tests.support.web_fakes import BODY, DEFAULTS, SECRET, Office, open_office
from topics.simulation_requests import SimulationRequested

RUN = "/simulator/run"


def flow_that_answers(office: Office, *, tell: bool = True):
    """Let the flow answer each request as soon as the broker has it."""

    def answer(message):
        workflow_id = UUID(message.key.decode())
        event = SimulationRequested.model_validate_json(message.value)
        request = request_from_event(event, workflow_id=workflow_id, defaults=DEFAULTS, caller=Caller())
        office.store.keep(request)
        office.end(workflow_id, answer_of(request, parts_of(workflow_id, "c1")))
        if tell:
            office.news.tell(workflow_id)

    office.broker.flow = answer


async def test_a_request_is_accepted_with_its_id_its_steps_and_an_estimate(office: Office):
    async with office.client.post(RUN, json=BODY, headers={"Authorization": f"Bearer {SECRET}"}) as response:
        body = await response.json()
        assert response.status == 202
        assert response.headers["Location"] == f"/workflow/{body['workflow_id']}"
    assert (body["object"], body["status"]) == ("workflow_metadata", "PENDING")
    assert [step["id"] for step in body["steps"]] == ["validation", "performance_estimation", "ranking"]
    assert all(step["title"] and step["description"] for step in body["steps"])
    (message,) = office.broker.sent
    assert (message.topic, message.key.decode()) == ("t.simulation-requests.v1", body["workflow_id"])
    assert office.store.views[UUID(body["workflow_id"])].status is WorkflowStatus.PENDING


async def test_the_estimate_grows_with_what_is_to_be_judged(office: Office):
    _, one = await office.call("POST", RUN, json=BODY | {"cluster_id": "c1", "engines": ["vllm"]})
    _, all_engines = await office.call("POST", RUN, json=BODY | {"cluster_id": "c1"})
    assert 0 < one["eta"] < all_engines["eta"]


async def test_nothing_is_inserted_before_the_broker_has_the_request(office: Office):
    office.broker.gate.clear()
    asking = asyncio.create_task(office.call("POST", RUN, json=BODY))
    await wait_until(lambda: office.broker.entered, what="the request reaches the broker")
    assert office.store.views == {}
    office.broker.gate.set()
    assert (await asking)[0] == 202
    assert len(office.store.views) == 1


@pytest.mark.parametrize(("query", "more"), [("?wait=30", {}), ("", {"debug": True})])
async def test_a_waiting_caller_gets_the_recommendations(office: Office, query: str, more: dict[str, bool]):
    flow_that_answers(office)
    status, body = await office.call("POST", RUN + query, json=BODY | more)
    assert (status, body["object"]) == (200, "cluster_recommendations")
    assert [item["cluster_id"] for item in body["recommendations"]] == ["c1"]
    assert isinstance(body["created"], int)


async def test_news_end_a_wait_without_reading_again(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting_module, "REREAD_S", 600.0)
    waiting = asyncio.create_task(office.call("POST", RUN + "?wait=30", json=BODY))
    await wait_until(lambda: office.news.waiting, what="the caller waits")
    workflow_id = office.news.waiting[0][0]
    office.end(workflow_id, answer_of(make_request(workflow_id), parts_of(workflow_id, "c1")))
    office.news.tell(workflow_id)
    assert (await asyncio.wait_for(waiting, 10))[0] == 200


async def test_news_that_never_come_are_found_by_reading_again(office: Office):
    waiting = asyncio.create_task(office.call("POST", RUN + "?wait=30", json=BODY))
    await wait_until(lambda: office.news.waiting, what="the caller waits")
    workflow_id = office.news.waiting[0][0]
    office.end(workflow_id, answer_of(make_request(workflow_id), parts_of(workflow_id, "c1")))
    assert (await asyncio.wait_for(waiting, 10))[0] == 200


async def test_a_wait_outlives_an_outage_of_postgresql(office: Office):
    waiting = asyncio.create_task(office.call("POST", RUN + "?wait=30", json=BODY))
    await wait_until(lambda: office.news.waiting, what="the caller waits")
    workflow_id = office.news.waiting[0][0]
    office.store.away = True
    office.news.tell(workflow_id)
    await wait_until(lambda: not office.news.waiting[0][1].is_set(), what="it has read, and waits again")
    office.end(workflow_id, answer_of(make_request(workflow_id), parts_of(workflow_id, "c1")))
    office.store.away = False
    assert (await asyncio.wait_for(waiting, 10))[0] == 200


async def test_a_wait_that_runs_out_is_accepted(office: Office):
    status, body = await office.call("POST", RUN + "?wait=0.2", json=BODY)
    assert (status, body["object"]) == (202, "workflow_metadata")
    assert office.news.waiting == []


async def test_a_wait_is_answered_when_the_process_ends(office: Office):
    waiting = asyncio.create_task(office.call("POST", RUN + "?wait=600", json=BODY))
    await wait_until(lambda: office.news.waiting, what="the caller waits")
    office.news.close()
    assert (await asyncio.wait_for(waiting, 5))[0] == 202


async def test_nobody_waits_for_a_caller_that_has_gone(office: Office):
    waiting = asyncio.create_task(office.call("POST", RUN + "?wait=600", json=BODY))
    await wait_until(lambda: office.news.waiting, what="the caller waits")
    waiting.cancel()
    await wait_until(lambda: not office.news.waiting, 10, what="the wait is given up")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("model_not_found", 400),
        ("unsupported_model", 400),
        ("no_compatible_engine", 400),
        ("does_not_fit", 400),
        ("target_not_carried", 400),
        ("simulation_timed_out", 408),
        ("cluster_not_found", 503),
        ("no_usable_hardware", 503),
        ("unavailable", 503),
    ],
)
async def test_what_the_flow_cannot_do_has_its_status_and_its_remedy(office: Office, code: str, status: int):
    def fail(message):
        workflow_id = UUID(message.key.decode())
        office.store.keep(make_request(workflow_id))
        office.fail(workflow_id, code)

    office.broker.flow = fail
    async with office.client.post(RUN + "?wait=30", json=BODY, headers={"Authorization": f"Bearer {SECRET}"}) as response:
        body = await response.json()
        assert response.status == status
        assert ("Retry-After" in response.headers) == (status == 503)
    assert (body["object"], body["code"], body["param"]) == ("error", code, "cluster_id")
    assert body["message"] == "it cannot be done. do something else"


async def test_a_cancelled_workflow_ends_the_wait(office: Office):
    waiting = asyncio.create_task(office.call("POST", RUN + "?wait=30", json=BODY))
    await wait_until(lambda: office.news.waiting, what="the caller waits")
    workflow_id = office.news.waiting[0][0]
    assert (await office.call("POST", f"/workflow/{workflow_id}/cancel"))[1]["status"] == "CANCELLED"
    status, body = await asyncio.wait_for(waiting, 10)
    assert (status, body["code"]) == (409, "conflict")


async def test_an_idempotency_key_starts_one_workflow_however_often_it_comes(office: Office):
    answers = [await office.call("POST", RUN, json=BODY, headers={"Idempotency-Key": "order 7"}) for _ in range(3)]
    expected = uuid5(office.store.tokens[SECRET].id, "order 7")
    assert {(status, body["workflow_id"]) for status, body in answers} == {(202, str(expected))}
    assert len(office.broker.sent) == 1


async def test_the_same_key_of_another_token_is_another_workflow(office: Office):
    other = office.limited()
    _, mine = await office.call("POST", RUN, json=BODY, headers={"Idempotency-Key": "order 7"})
    _, theirs = await office.call("POST", RUN, json=BODY, headers={"Idempotency-Key": "order 7"}, token=other)
    assert mine["workflow_id"] != theirs["workflow_id"]


@pytest.mark.parametrize("other", [{"input_tokens": 999}, {"clusters": [{"id": "c9", "nodes": []}]}])
async def test_the_same_identity_with_another_body_is_a_conflict(office: Office, other: dict[str, object]):
    workflow_id = str(uuid4())
    for identity, headers in (({"workflow_id": workflow_id}, {}), ({}, {"Idempotency-Key": "order 7"})):
        assert (await office.call("POST", RUN, json=BODY | identity, headers=headers))[0] == 202
        status, body = await office.call("POST", RUN, json=BODY | identity | other, headers=headers)
        assert (status, body["code"]) == (409, "conflict")
        assert (await office.call("POST", RUN, json=BODY | identity, headers=headers))[0] == 202
    assert len(office.broker.sent) == 2


@pytest.mark.parametrize(
    ("identity", "headers"), [({"workflow_id": "8a3e0b1c-27a4-4b5e-9a57-1f6a2d8f7d40"}, {}), ({}, {"Idempotency-Key": "order 7"})]
)
async def test_the_same_identity_is_compared_also_when_plan_was_faster_than_the_web(
    office: Office, identity: dict[str, str], headers: dict[str, str]
):
    """What plan has stored carries the id in its body, wherever the caller put it."""
    flow_that_answers(office)
    for _ in range(2):
        assert (await office.call("POST", RUN, json=BODY | identity, headers=headers))[0] == 202
    assert (await office.call("POST", RUN, json=BODY | identity | {"input_tokens": 999}, headers=headers))[0] == 409


async def test_of_two_bodies_at_once_under_one_key_one_is_taken_and_the_other_refused(office: Office):
    office.broker.gate.clear()
    bodies = [BODY, BODY | {"input_tokens": 999}]
    asking = [asyncio.create_task(office.call("POST", RUN, json=body, headers={"Idempotency-Key": "k"})) for body in bodies]
    await wait_until(lambda: office.broker.entered, what="one reaches the broker")
    office.broker.gate.set()
    assert sorted(status for status, _ in await asyncio.gather(*asking)) == [202, 409]
    assert len(office.broker.sent) == 1


async def test_a_repeated_request_is_told_how_the_first_one_stands(office: Office):
    flow_that_answers(office)
    identity = {"workflow_id": str(uuid4())}
    await office.call("POST", RUN, json=BODY | identity)
    status, body = await office.call("POST", RUN, json=BODY | identity)
    assert (status, body["status"]) == (202, "COMPLETED")


async def test_kafka_away_is_unavailable_with_a_time_to_come_back_and_leaves_nothing(office: Office):
    office.broker.away = True
    async with office.client.post(RUN, json=BODY, headers={"Authorization": f"Bearer {SECRET}"}) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert (await response.json())["code"] == "unavailable"
    assert office.store.views == {}


async def test_postgresql_away_is_unavailable_with_a_time_to_come_back(office: Office):
    office.store.away = True
    async with office.client.post(RUN, json=BODY, headers={"Authorization": f"Bearer {SECRET}"}) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0


async def test_over_the_admission_limit_is_too_many_and_what_is_known_is_still_told():
    async with open_office(admission_limit=2) as office:
        for key in ("a", "b"):
            assert (await office.call("POST", RUN, json=BODY, headers={"Idempotency-Key": key}))[0] == 202
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with office.client.post(RUN, json=BODY, headers=headers) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["code"] == "too_many_workflows"
        assert (await office.call("POST", RUN, json=BODY, headers={"Idempotency-Key": "a"}))[0] == 202
        office.fail(next(iter(office.store.views)), "does_not_fit")
        assert (await office.call("POST", RUN, json=BODY))[0] == 202


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"pretrained_model_uri": None}, "pretrained_model_uri"),
        ({"pretrained_model_uri": "x" * 256}, "pretrained_model_uri"),
        ({"input_tokens": 0}, "input_tokens"),
        ({"output_tokens": 10**7 + 1}, "output_tokens"),
        ({"concurrency": 10**5 + 1}, "concurrency"),
        ({"target_ttft": -1}, "target_ttft"),
        ({"deadline_s": 4.9}, "deadline_s"),
        ({"simulation_method": "oracle"}, "simulation_method"),
        ({"model_endpoints": "LLM,TELEPATHY"}, "model_endpoints"),
        ({"is_quantization": True}, "quantization_type"),
        ({"source_topic": "somebody.elses"}, "source_topic"),
        ({"search": {"population": 3}}, "search.population"),
    ],
)
async def test_an_error_of_shape_names_the_field_at_once_and_sends_nothing(office: Office, change: dict[str, object], param: str):
    status, body = await office.call("POST", RUN, json=BODY | change)
    assert (status, body["param"], body["code"]) == (422, param, "invalid_input")
    assert param in body["message"]
    assert office.broker.sent == []


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b"[" * 100_000]
)
async def test_what_is_not_json_for_everybody_is_refused(office: Office, raw: bytes):
    status, body = await office.call("POST", RUN, data=raw)
    assert (status, body["code"]) == (400, "unreadable_body")


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"text"', b"7"])
async def test_json_of_another_shape_is_refused(office: Office, raw: bytes):
    assert (await office.call("POST", RUN, data=raw))[0] == 422


async def test_a_body_over_512_kb_is_too_large_and_one_at_it_is_not(office: Office):
    text = json.dumps(BODY)
    room = 512 * 1024 - len(text) - len(', "x": ""')
    assert (await office.call("POST", RUN, data=text[:-1] + f', "x": "{"x" * room}"' + "}"))[0] == 202
    status, body = await office.call("POST", RUN, data=text[:-1] + f', "x": "{"x" * (room + 1)}"' + "}")
    assert (status, body["object"], body["code"]) == (413, "error", "message_too_large")


async def test_a_body_whose_message_workers_would_refuse_is_too_large(office: Office):
    devices = [{"name": "a", "type": "cuda"}] * 1000
    nodes = [{"id": f"n{number}", "name": f"n{number}", "status": True, "devices": devices} for number in range(2)]
    status, body = await office.call("POST", RUN, json=BODY | {"clusters": [{"id": "c1", "nodes": nodes}]})
    assert (status, body["code"]) == (413, "message_too_large")
    assert office.broker.sent == []


@pytest.mark.parametrize("wait", ["", "soon", "-1", "nan", "inf", "1e9"])
async def test_a_wait_that_is_no_time_is_refused(office: Office, wait: str):
    status, body = await office.call("POST", f"{RUN}?wait={wait}", json=BODY)
    assert (status, body["param"]) == (422, "wait")


async def test_a_token_for_one_project_starts_nothing_in_another(office: Office):
    token = office.limited(projects={"p1"})
    for project in ({"project_id": "p2"}, {}):
        status, body = await office.call("POST", RUN, json=BODY | project, token=token)
        assert (status, body["code"], body["param"]) == (403, "forbidden", "project_id")
    assert (await office.call("POST", RUN, json=BODY | {"project_id": "p1"}, token=token))[0] == 202
    assert len(office.broker.sent) == 1


async def test_a_token_for_one_cluster_asks_about_no_other_and_not_about_all(office: Office):
    token = office.limited(clusters={"c1"})
    for cluster in ({"cluster_id": "c2"}, {}):
        assert (await office.call("POST", RUN, json=BODY | cluster, token=token))[0] == 403
    assert (await office.call("POST", RUN, json=BODY | {"cluster_id": "c1"}, token=token))[0] == 202


async def test_a_trace_goes_on_in_the_message_and_nonsense_does_not(office: Office):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await office.call("POST", RUN, json=BODY, headers={"traceparent": trace})
    await office.call("POST", RUN, json=BODY, headers={"traceparent": "nonsense"})
    first, second = (dict(message.headers) for message in office.broker.sent)
    assert first["traceparent"] == trace.encode()
    assert "traceparent" not in second
