"""Through HTTP alone, with flow and eval workers behind it."""

import asyncio
import json
from uuid import uuid4

import pytest

from tests.support.stack import EXAMPLES, Stack, example_request
from tests.support.waiting import wait_until
from tests.support.web_caller import WebCaller, calling

RUN = "/simulator/run?wait=60"
LONG_S = 60.0  # for a noisy machine


@pytest.fixture
async def caller(stack: Stack):
    async with calling(stack.settings) as made:
        for name in ("cluster-a100.json", "cluster-l40s.json"):
            body = json.loads((EXAMPLES / name).read_text())
            assert (await made.call("PUT", f"/clusters/{body['id']}", json=body))[0] == 202
            await wait_until(lambda identity=body["id"]: _shown(made, identity), LONG_S, what="the cluster is shown")
        yield made


async def _shown(caller: WebCaller, cluster_id: str) -> bool:
    return (await caller.call("GET", f"/clusters/{cluster_id}"))[0] == 200


def body(**changes: object) -> dict[str, object]:
    return example_request(**changes).model_dump(mode="json", exclude_none=True)


async def test_a_cluster_is_shown_as_it_was_put_and_gone_once_it_is_deleted(caller: WebCaller):
    for name in ("cluster-a100.json", "cluster-l40s.json"):
        put = json.loads((EXAMPLES / name).read_text())
        _, shown = await caller.call("GET", f"/clusters/{put['id']}")
        for node, reported in zip(shown["nodes"], put["nodes"], strict=True):
            for device, sent in zip(node["devices"], reported["devices"], strict=True):
                assert {key: device[key] for key in sent} == sent
    gone = {"nodes": [], "id": f"gone-{uuid4().hex[:6]}"}
    await caller.call("PUT", f"/clusters/{gone['id']}", json=gone)
    await wait_until(lambda: _shown(caller, gone["id"]), LONG_S, what="it is there")
    assert (await caller.call("DELETE", f"/clusters/{gone['id']}"))[0] == 202

    async def away() -> bool:
        return (await caller.call("GET", f"/clusters/{gone['id']}"))[0] == 404

    await wait_until(away, LONG_S, what="it is gone")


async def test_a_request_is_answered_and_can_be_read_in_every_way(caller: WebCaller):
    status, answer = await caller.call("POST", RUN, json=body(project_id="p1"))
    assert (status, answer["object"], answer["status"]) == (200, "cluster_recommendations", "completed")
    assert {item["cluster_id"] for item in answer["recommendations"]} == {"a100-cluster", "l40s-cluster"}
    workflow_id = answer["workflow_id"]
    _, one = await caller.call("GET", f"/workflow/{workflow_id}")
    assert (one["status"], one["result"]) == ("COMPLETED", answer)
    _, listed = await caller.call("GET", "/workflows?status=completed&project_id=p1&limit=100")
    assert workflow_id in {item["workflow_id"] for item in listed["items"]}
    _, first = await caller.call("GET", f"/simulator/recommendations?workflow_id={workflow_id}")
    best = answer["recommendations"][0]
    assert (first["total_items"], first["items"][0]["cluster_id"]) == (2, best["cluster_id"])
    assert first["items"][0]["metrics"] == best["metrics"]
    assert first["items"][0]["configurations"][0] == best["configurations"][0]
    page = await caller.client.post("/", data={"token": caller.secret})
    assert page.status == 200
    text = await page.text()
    assert workflow_id in text
    assert "a100-cluster" in text


async def test_the_same_key_is_one_workflow_and_its_answer_comes_at_once(caller: WebCaller):
    headers = {"Idempotency-Key": uuid4().hex}
    answers = await asyncio.gather(*(caller.call("POST", RUN, json=body(), headers=headers) for _ in range(4)))
    assert {status for status, _ in answers} == {200}
    assert len({json.dumps(answer, sort_keys=True) for _, answer in answers}) == 1
    assert (await caller.call("POST", RUN, json=body(input_tokens=7), headers=headers))[0] == 409


async def test_feedback_counts_from_its_acknowledgement_on(caller: WebCaller):
    _, answer = await caller.call("POST", RUN, json=body())
    chosen = answer["recommendations"][0]["configurations"][0]
    report = {"config_id": chosen["config_id"], "failed": True, "reason": "the pod crashed"}
    status, told = await caller.call("POST", "/feedback", json=report)
    assert (status, told["applied"]) == (200, True)
    _, after = await caller.call("POST", RUN, json=body())
    assert chosen["config_id"] in {left for item in after["recommendations"] for left in item["excluded_config_ids"]}
    _, again = await caller.call("GET", f"/simulator/recommendations?workflow_id={answer['workflow_id']}&limit=100")
    assert chosen["config_id"] not in {item["config_id"] for found in again["items"] for item in found["configurations"]}
    assert (await caller.call("POST", "/feedback", json=report | {"failed": False}))[0] == 200
    _, lifted = await caller.call("POST", RUN, json=body())
    assert not {left for item in lifted["recommendations"] for left in item["excluded_config_ids"]}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"pretrained_model_uri": "meta-llama/Llama-3.1-8B-Instrukt"}, 400, "model_not_found"),
        ({"pretrained_model_uri": "deepseek-ai/DeepSeek-V3"}, 400, "does_not_fit"),
        ({"cluster_id": "nowhere"}, 503, "cluster_not_found"),
    ],
)
async def test_what_cannot_be_done_has_its_status_and_says_what_would_help(
    caller: WebCaller, changes: dict[str, str], status: int, code: str
):
    found, error = await caller.call("POST", RUN, json=body(**changes))
    assert (found, error["object"], error["code"]) == (status, "error", code)
    assert len(error["message"]) > 40
    assert ("Retry-After" in caller.headers) == (status == 503)


async def test_a_token_for_one_project_and_cluster_sees_and_does_nothing_else(caller: WebCaller):
    secret = await caller.tokens.create("limited", projects=["p1"], clusters=["a100-cluster"])
    mine = body(project_id="p1", cluster_id="a100-cluster")
    status, answer = await caller.call("POST", RUN, json=mine, secret=secret)
    assert status == 200
    _, theirs = await caller.call("POST", RUN, json=body(project_id="p2", cluster_id="a100-cluster"))
    assert (await caller.call("POST", RUN, json=body(project_id="p2", cluster_id="a100-cluster"), secret=secret))[0] == 403
    _, listed = await caller.call("GET", "/workflows?limit=100", secret=secret)
    assert {item["workflow_id"] for item in listed["items"]} == {answer["workflow_id"]}
    for path in (f"/workflow/{theirs['workflow_id']}", f"/simulator/recommendations?workflow_id={theirs['workflow_id']}"):
        assert (await caller.call("GET", path, secret=secret))[0] == 404
    config_id = theirs["recommendations"][0]["configurations"][0]["config_id"]
    assert (await caller.call("POST", "/feedback", json={"config_id": config_id, "failed": True}, secret=secret))[0] == 403
    assert (await caller.call("GET", "/clusters/l40s-cluster", secret=secret))[0] == 404
    assert (await caller.call("DELETE", "/clusters/l40s-cluster", secret=secret))[0] == 403
