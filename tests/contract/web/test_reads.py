"""Lists, workflows, recommendations: what is shown, and to whom."""

from uuid import UUID, uuid4

import pytest

from budsim.core.slo import Slo
from budsim.services.ports import WorkflowStatus
from tests.support.search_fakes import make_load
from tests.support.storage_values import make_request
from tests.support.web_fakes import NOW_S, Office


def listed(body) -> list[str]:
    return [item["workflow_id"] for item in body["items"]]


async def test_workflows_are_listed_newest_first_in_pages(office: Office):
    ids = [str(uuid4()) for _ in range(5)]
    for workflow_id in ids:
        office.store.keep(make_request(UUID(workflow_id)))
    _, first = await office.call("GET", "/workflows?limit=2")
    _, last = await office.call("GET", "/workflows?limit=2&page=3")
    _, beyond = await office.call("GET", "/workflows?limit=2&page=4")
    assert (listed(first), listed(last), listed(beyond)) == (ids[:-3:-1], ids[:1], [])
    assert {name: first[name] for name in ("total_items", "page", "limit", "total_pages")} == {
        "total_items": 5,
        "page": 1,
        "limit": 2,
        "total_pages": 3,
    }


@pytest.mark.parametrize(
    "query",
    [
        "status=CANCELLED",
        "status=cancelled",
        "project_id=p1",
        "cluster_id=c1",
        "model=org/mine",
        f"created_before={NOW_S + 1}",
        "created_before=2027-01-15T08:00:01Z",  # NOW_S + 1
        "created_before=2027-01-15T09:00:01%2B01:00",
    ],
)
async def test_a_filter_shows_what_it_names_and_nothing_else(office: Office, query: str):
    mine = make_request(project_id="p1", cluster_id="c1", model_uri="org/mine")
    office.store.keep(mine)
    office.store.keep(make_request(project_id="p2", cluster_id="c2"))
    office.store.change(mine.workflow_id, status=WorkflowStatus.CANCELLED)
    _, body = await office.call("GET", f"/workflows?{query}")
    assert listed(body) == [str(mine.workflow_id)]


async def test_the_start_of_a_time_filter_belongs_to_it(office: Office):
    office.store.keep(make_request())
    office.store.keep(request := make_request())
    _, body = await office.call("GET", f"/workflows?created_from={NOW_S + 1}")
    assert listed(body) == [str(request.workflow_id)]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("page=0", "page"),
        ("page=²", "page"),
        ("page=1.5", "page"),
        ("page=99999999999999999999", "page"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("status=ALIVE", "status"),
        ("created_from=yesterday", "created_from"),
        ("created_from=nan", "created_from"),
        ("created_before=1e300", "created_before"),
    ],
)
async def test_a_parameter_that_cannot_be_is_named(office: Office, query: str, param: str):
    status, body = await office.call("GET", f"/workflows?{query}")
    assert (status, body["param"]) == (422, param)
    assert param in body["message"]


async def test_one_workflow_is_shown_with_its_answer_and_a_running_one_without(office: Office):
    request, running = make_request(project_id="p1"), make_request()
    office.answered(request, "c1")
    office.store.keep(running)
    _, body = await office.call("GET", f"/workflow/{request.workflow_id}")
    assert (body["object"], body["status"], body["project_id"]) == ("workflow", "COMPLETED", "p1")
    assert body["result"]["recommendations"][0]["cluster_id"] == "c1"
    assert (body["created"], body["finished"]) == (NOW_S, NOW_S + 5)
    assert (await office.call("GET", f"/workflow/{running.workflow_id}"))[1]["result"] is None


async def test_a_failed_workflow_says_why_in_the_list(office: Office):
    office.store.keep(request := make_request())
    office.fail(request.workflow_id, "does_not_fit")
    _, body = await office.call("GET", "/workflows")
    assert (body["items"][0]["status"], body["items"][0]["error"]) == ("FAILED", "it cannot be done")


@pytest.mark.parametrize("path", ["/workflow/{}", "/simulator/recommendations?workflow_id={}"])
async def test_an_unknown_workflow_is_not_found_and_no_uuid_is_refused(office: Office, path: str):
    status, body = await office.call("GET", path.format(uuid4()))
    assert (status, body["object"], body["code"], body["param"]) == (404, "error", "workflow_not_found", "workflow_id")
    assert (await office.call("GET", path.format("seven")))[0] == 422


@pytest.mark.parametrize("limits", [{"projects": {"p1"}}, {"clusters": {"c1"}}])
async def test_what_a_token_may_not_see_does_not_exist_for_it(office: Office, limits: dict[str, set[str]]):
    token = office.limited(**limits)
    mine, other, anyones = make_request(project_id="p1", cluster_id="c1"), make_request(project_id="p2", cluster_id="c2"), make_request()
    for request in (mine, other, anyones):
        office.answered(request, "c1")
    _, body = await office.call("GET", "/workflows", token=token)
    assert (listed(body), body["total_items"]) == ([str(mine.workflow_id)], 1)
    for path in ("/workflow/{}", "/simulator/recommendations?workflow_id={}"):
        assert (await office.call("GET", path.format(mine.workflow_id), token=token))[0] == 200
        for hidden in (other, anyones):
            _, unknown = await office.call("GET", path.format(uuid4()), token=token)
            status, body = await office.call("GET", path.format(hidden.workflow_id), token=token)
            assert status == 404
            assert body["message"].replace(str(hidden.workflow_id), "") == unknown["message"].replace(unknown["message"].split()[1], "")


async def test_a_filter_does_not_widen_what_a_token_sees(office: Office):
    token = office.limited(projects={"p1"})
    office.store.keep(make_request(project_id="p2"))
    assert (await office.call("GET", "/workflows?project_id=p2", token=token))[1]["items"] == []


async def test_recommendations_are_paged_one_cluster_a_page(office: Office):
    request = make_request()
    answer = office.answered(request, "c1", "c2", "c3")
    path = f"/simulator/recommendations?workflow_id={request.workflow_id}"
    _, first = await office.call("GET", path)
    assert (first["total_items"], first["page"], first["limit"], first["total_pages"], len(first["items"])) == (3, 1, 1, 3, 1)
    _, everything = await office.call("GET", f"{path}&limit=100")
    assert [item["cluster_id"] for item in everything["items"]] == [cluster.cluster_id for cluster in answer.clusters]
    _, third = await office.call("GET", f"{path}&page=3")
    assert third["items"][0]["cluster_id"] == answer.clusters[2].cluster_id
    assert (await office.call("GET", f"{path}&page=4"))[1]["items"] == []
    _, named = await office.call("GET", f"{path}&cluster_id=c2")
    assert ([item["cluster_id"] for item in named["items"]], named["total_items"]) == (["c2"], 1)


async def test_a_workflow_without_an_answer_has_no_recommendations(office: Office):
    office.store.keep(request := make_request())
    _, body = await office.call("GET", f"/simulator/recommendations?workflow_id={request.workflow_id}")
    assert (body["items"], body["total_items"], body["total_pages"]) == ([], 0, 0)


async def test_another_concurrency_places_as_many_replicas_as_it_takes_on_the_real_nodes(office: Office):
    request = make_request(workload=make_load(concurrency=32))
    office.answered(request, "c1")
    path = f"/simulator/recommendations?workflow_id={request.workflow_id}&concurrency="
    for users in (1, 40, 90):
        _, body = await office.call("GET", f"{path}{users}")
        metrics, best = body["items"][0]["metrics"], body["items"][0]["configurations"][0]
        assert metrics["replica"] == best["replicas"] == -(-users // best["concurrency"])
        assert sum(place["devices"] for place in best["placement"]) == best["replicas"] * best["tp_size"] * best["pp_size"]
        assert metrics["concurrency"] >= users
    assert (await office.call("GET", f"{path}100000"))[1]["items"] == []
    assert (await office.call("GET", f"{path}0"))[0] == 422


async def test_what_feedback_marked_is_left_out_of_recommendations_until_it_is_lifted(office: Office):
    request = make_request()
    office.answered(request, "c1")
    path = f"/simulator/recommendations?workflow_id={request.workflow_id}"
    _, before = await office.call("GET", path)
    best = before["items"][0]["configurations"][0]
    for failed in (True, False):
        status, body = await office.call("POST", "/feedback", json={"config_id": best["config_id"], "failed": failed})
        assert (status, body["applied"], body["workflow_id"]) == (200, True, str(request.workflow_id))
        _, after = await office.call("GET", path)
        layouts = {(item["engine"], item["tp_size"], item["pp_size"]) for item in after["items"][0]["configurations"]}
        assert ((best["engine"], best["tp_size"], best["pp_size"]) in layouts) is not failed
    assert office.outbox.flushed == ["c1|cuda"] * 2


async def test_configurations_over_the_error_threshold_are_left_out(office: Office):
    request = make_request(slo=Slo(ttft_s=0.12))  # FakePredictor answers within 0.11 s at best
    office.answered(request, "c1")
    path = f"/simulator/recommendations?workflow_id={request.workflow_id}&error_rate_threshold="

    async def rates(threshold: float) -> list[float]:
        _, body = await office.call("GET", f"{path}{threshold}")
        return sorted(item["error_rate"] for found in body["items"] for item in found["configurations"])

    everything = await rates(1.0)
    least = everything[0]
    assert everything[-1] > least
    assert set(await rates(least)) == {least}
    for wrong in ("-0.1", "1.1", "few"):
        assert (await office.call("GET", f"{path}{wrong}"))[1]["param"] == "error_rate_threshold"
