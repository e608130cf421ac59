"""Feedback, cancellation, clusters: what is taken, and from whom."""

import json
from uuid import UUID, uuid4

import pytest

from budsim.services.ports import WorkflowStatus
from tests.support.storage_values import make_request
from tests.support.web_fakes import Office

NODE = {
    "id": "n1",
    "name": "node-1",
    "status": True,
    "devices": [{"name": "H100", "type": "cuda", "available_count": 8, "mem_per_GPU_in_GB": 80}],
}


async def test_feedback_on_an_unknown_configuration_is_not_found(office: Office):
    status, body = await office.call("POST", "/feedback", json={"config_id": str(uuid4()), "failed": True})
    assert (status, body["code"], body["param"]) == (404, "configuration_not_found", "config_id")


async def test_feedback_is_not_acknowledged_while_it_cannot_be_applied(office: Office):
    answer = office.answered(make_request(), "c1")
    config_id = answer.clusters[0].best.configuration.config_id
    office.store.away = True
    assert (await office.call("POST", "/feedback", json={"config_id": config_id, "failed": True}))[0] == 503
    assert office.store.lists == {}


@pytest.mark.parametrize("limits", [{"projects": {"p2"}}, {"clusters": {"c2"}}])
async def test_a_token_marks_and_cancels_nothing_of_others(office: Office, limits: dict[str, set[str]]):
    token = office.limited(**limits)
    request = make_request(project_id="p1", cluster_id="c1")
    config_id = office.answered(request, "c1").clusters[0].best.configuration.config_id
    status, body = await office.call("POST", "/feedback", json={"config_id": config_id, "failed": True}, token=token)
    assert (status, body["code"]) == (403, "forbidden")
    assert office.store.lists == {}
    office.store.keep(running := make_request(project_id="p1", cluster_id="c1"))
    assert (await office.call("POST", f"/workflow/{running.workflow_id}/cancel", token=token))[0] == 403
    assert office.store.views[running.workflow_id].status is WorkflowStatus.PENDING


async def test_cancelling_is_told_and_what_has_ended_stays_as_it_is(office: Office):
    running, ended = make_request(), make_request()
    office.store.keep(running)
    office.answered(ended, "c1")
    for workflow_id, status in ((running.workflow_id, "CANCELLED"), (ended.workflow_id, "COMPLETED"), (uuid4(), "CANCELLED")):
        code, body = await office.call("POST", f"/workflow/{workflow_id}/cancel")
        assert (code, body["workflow_id"], body["status"]) == (200, str(workflow_id), status)
        assert office.store.views[workflow_id].status.value == status
        assert office.outbox.flushed[-1] == str(workflow_id)


async def test_a_request_that_was_cancelled_before_it_came_is_not_sent(office: Office):
    workflow_id = uuid4()
    await office.call("POST", f"/workflow/{workflow_id}/cancel")
    body = {"pretrained_model_uri": "m", "input_tokens": 1, "output_tokens": 1, "concurrency": 1, "workflow_id": str(workflow_id)}
    status, answer = await office.call("POST", "/simulator/run", json=body)
    assert (status, answer["status"]) == (202, "CANCELLED")
    assert office.broker.sent == []


async def test_a_cluster_is_reported_through_the_topic(office: Office):
    for body in ({"id": "c1", "nodes": [NODE]}, {"nodes": [NODE]}):
        status, answer = await office.call("PUT", "/clusters/c1", json=body)
        assert (status, answer["id"]) == (202, "c1")
        message = office.broker.sent[-1]
        assert (message.topic, message.key) == ("t.clusters.v1", b"c1")
        assert json.loads(message.value)["nodes"][0]["devices"][0]["available_count"] == 8


async def test_a_removed_cluster_is_a_tombstone(office: Office):
    assert (await office.call("DELETE", "/clusters/c1"))[0] == 202
    assert (office.broker.sent[0].topic, office.broker.sent[0].key, office.broker.sent[0].value) == ("t.clusters.v1", b"c1", None)


async def test_a_cluster_is_shown_in_the_units_it_was_reported_in(office: Office):
    from budsim.adapters.wire.clusters import cluster_from_body
    from topics.clusters import ClusterBody

    office.report(cluster_from_body(ClusterBody.model_validate({"id": "c1", "version": "7", "nodes": [NODE]})))
    status, body = await office.call("GET", "/clusters/c1")
    assert (status, body["object"], body["id"], body["version"]) == (200, "cluster", "c1", "7")
    assert body["nodes"] == [NODE | {"is_master": False, "schedulable": True}]
    assert body["updated_at"].startswith("2027-01-15T08:00:00")
    assert (await office.call("GET", "/clusters/c2"))[0] == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clusters/c1", {"id": "c2", "nodes": []}),
        ("/clusters/c1", {"nodes": "none"}),
        ("/clusters/c1", {"nodes": [NODE | {"devices": [{"name": "H100", "type": "cuda", "available_count": -1}]}]}),
        ("/clusters/c1", []),
        (f"/clusters/{'x' * 256}", {"nodes": []}),
    ],
)
async def test_a_topology_that_cannot_be_is_refused_and_not_sent(office: Office, path: str, body: object):
    assert (await office.call("PUT", path, json=body))[0] == 422
    assert office.broker.sent == []


async def test_a_topology_whose_message_workers_would_refuse_is_too_large(office: Office):
    nodes = [NODE | {"id": f"n{number}", "devices": NODE["devices"] * 1000} for number in range(4)]
    assert (await office.call("PUT", "/clusters/c1", json={"nodes": nodes}))[0] == 413
    assert office.broker.sent == []


async def test_a_token_for_one_cluster_neither_writes_nor_sees_another(office: Office):
    from budsim.core.hardware.spec import Cluster

    token = office.limited(clusters={"c1"})
    for cluster_id in ("c1", "c2"):
        office.report(Cluster(id=cluster_id, nodes=()))
    assert (await office.call("GET", "/clusters/c1", token=token))[0] == 200
    assert (await office.call("GET", "/clusters/c2", token=token))[0] == 404
    assert (await office.call("PUT", "/clusters/c2", json={"nodes": []}, token=token))[0] == 403
    assert (await office.call("DELETE", "/clusters/c2", token=token))[0] == 403
    assert office.broker.sent == []
    assert (await office.call("DELETE", "/clusters/c1", token=token))[0] == 202


async def test_kafka_away_is_said_of_clusters_too(office: Office):
    office.broker.away = True
    assert (await office.call("PUT", "/clusters/c1", json={"nodes": []}))[0] == 503
    assert (await office.call("DELETE", "/clusters/c1"))[0] == 503


async def test_the_workflow_that_feedback_names_may_be_left_out_or_given(office: Office):
    answer = office.answered(request := make_request(), "c1")
    config_id = answer.clusters[0].best.configuration.config_id
    body = {"config_id": config_id, "failed": True, "workflow_id": str(request.workflow_id), "observed": {"ttft": 900.0}}
    assert UUID((await office.call("POST", "/feedback", json=body))[1]["workflow_id"]) == request.workflow_id


async def test_feedback_sent_again_under_its_key_is_the_same_report(office: Office):
    config_id = office.answered(make_request(), "c1").clusters[0].best.configuration.config_id
    for headers in ({"Idempotency-Key": "k"}, {"Idempotency-Key": "k"}, {"Idempotency-Key": "l"}, {}):
        assert (await office.call("POST", "/feedback", json={"config_id": config_id, "failed": True}, headers=headers))[0] == 200
    first, again, other, without = office.store.reports
    assert first == again
    assert len({first, other, without}) == 3


async def test_observed_figures_no_deployment_has_are_refused_by_name_and_nothing_is_kept(office: Office):
    config_id = office.answered(make_request(), "c1").clusters[0].best.configuration.config_id
    body = {"config_id": config_id, "failed": False, "observed": {"ttft": 9000.0, "e2e_latency": 4.0}}
    status, refused = await office.call("POST", "/feedback", json=body)
    assert (status, refused["param"]) == (422, "observed.ttft")
    assert "observed.ttft = 9000 ms is longer than observed.e2e_latency = 4 s" in refused["message"]
    assert office.store.reports == []
    assert (await office.call("POST", "/feedback", json=body | {"observed": {"ttft": 900.0, "e2e_latency": 4.0}}))[0] == 200
