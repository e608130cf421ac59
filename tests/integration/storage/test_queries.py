"""Reads for the web view."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from budsim.core.ranking.recommendation import Completion, Failure, Recommendation
from budsim.services.ports import FeedbackReport, PlanNotes, WorkflowStatus
from budsim.storage.blacklist import PostgresBlacklists
from budsim.storage.queries import WorkflowFilter, WorkflowQueries
from tests.support.storage_values import FakeClock, answer_of, make_request, parts_of


@pytest.fixture
def queries(sessions) -> WorkflowQueries:
    return WorkflowQueries(sessions)


async def ended(workflows, *cluster_ids: str):
    request = make_request()
    parts = parts_of(request.workflow_id, *cluster_ids)
    answer = answer_of(request, parts)
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.plan(parts, PlanNotes(), deadline_s=1000.0)
        await workflow.finish(WorkflowStatus.COMPLETED, answer)
    return request, answer


async def test_one_workflow_is_shown_with_its_answer_and_an_unknown_one_is_none(queries, workflows):
    request, answer = await ended(workflows, "c1")
    view = await queries.one(request.workflow_id)
    assert (view.status, view.model, view.parts_total, view.result) == (WorkflowStatus.COMPLETED, "org/model-8b", 1, answer)
    assert view.finished_s >= view.created_s
    assert await queries.one(uuid4()) is None


async def test_what_is_deployed_together_is_shown_together_in_the_order_of_the_answer(queries, workflows):
    request = make_request()
    parts = parts_of(request.workflow_id, "c1", "c2")
    answer = answer_of(request, parts)
    answer = replace(answer, clusters=(replace(answer.clusters[0], together=2), answer.clusters[1]))
    assert all(len(cluster.configurations) > 1 for cluster in answer.clusters)
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.plan(parts, PlanNotes(), deadline_s=1000.0)
        await workflow.finish(WorkflowStatus.COMPLETED, answer)
    shown = [(item.cluster_id, item.tensor_parallel, item.replicas) for item in await queries.best_of([request.workflow_id])]
    deployed = [
        (cluster.cluster_id, ranked.configuration.candidate.tensor_parallel, ranked.replicas)
        for cluster in answer.clusters
        for ranked in cluster.deployed
    ]
    assert shown == deployed
    assert len(shown) == 3


async def test_a_workflow_cancelled_before_it_came_is_shown_without_an_answer(queries, workflows):
    workflow_id = uuid4()
    await workflows.cancel(workflow_id)
    view = await queries.one(workflow_id)
    assert (view.status, view.result) == (WorkflowStatus.CANCELLED, None)


async def test_pages_go_from_new_to_old_and_count_all(queries, workflows):
    ids = [uuid4() for _ in range(3)]
    for workflow_id in ids:
        await workflows.insert_if_absent(make_request(workflow_id))
    first, total = await queries.page(WorkflowFilter(), page=1, limit=2)
    second, _ = await queries.page(WorkflowFilter(), page=2, limit=2)
    assert [view.id for view in (*first, *second)] == ids[::-1]
    assert total == 3


@pytest.mark.parametrize(
    "wanted",
    [
        WorkflowFilter(project_id="p1"),
        WorkflowFilter(cluster_id="c1"),
        WorkflowFilter(model="org/mine"),
        WorkflowFilter(status="CANCELLED"),
        WorkflowFilter(projects=frozenset({"p1"})),
        WorkflowFilter(created_before_s=2000.0),
        WorkflowFilter(created_from_s=1000.0, created_before_s=1001.0),
    ],
)
async def test_a_filter_shows_what_it_names_and_nothing_else(queries, workflows, migrated_database, wanted):
    mine, other = uuid4(), uuid4()
    await workflows.insert_if_absent(make_request(mine, project_id="p1", cluster_id="c1", model_uri="org/mine"))
    await workflows.insert_if_absent(make_request(other, project_id="p2", cluster_id="c2"))
    await workflows.cancel(mine)
    await migrated_database.fetch("UPDATE workflows SET created_at = to_timestamp(1000) WHERE id = $1", mine)
    views, total = await queries.page(wanted, page=1, limit=10)
    assert ([view.id for view in views], total) == ([mine], 1)


async def test_a_token_for_no_project_sees_no_workflow(queries, workflows):
    await workflows.insert_if_absent(make_request(project_id="p1"))
    await workflows.insert_if_absent(make_request())
    assert await queries.page(WorkflowFilter(projects=frozenset()), page=1, limit=10) == ([], 0)


async def test_the_start_of_a_time_filter_belongs_to_it_and_its_end_does_not(queries, workflows, migrated_database):
    await workflows.insert_if_absent(make_request())
    await migrated_database.fetch("UPDATE workflows SET created_at = to_timestamp(1000)")
    assert (await queries.page(WorkflowFilter(created_from_s=1000.0), page=1, limit=10))[1] == 1
    assert (await queries.page(WorkflowFilter(created_before_s=1000.0), page=1, limit=10))[1] == 0


async def test_a_token_for_one_cluster_sees_the_workflows_that_named_it(queries, workflows):
    mine = uuid4()
    await workflows.insert_if_absent(make_request(mine, cluster_id="c1"))
    await workflows.insert_if_absent(make_request(cluster_id="c2"))
    await workflows.insert_if_absent(make_request())
    views, total = await queries.page(WorkflowFilter(clusters=frozenset({"c1"})), page=1, limit=10)
    assert ([view.id for view in views], total) == ([mine], 1)


async def test_a_failed_workflow_says_why_in_every_list(queries, workflows):
    request = make_request()
    failure = Failure(code="model_not_found", message="nobody knows this model", remedy="spell it out")
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        answer = Recommendation(workflow_id=str(request.workflow_id), completion=Completion.FAILED, clusters=(), failure=failure)
        await workflow.finish(WorkflowStatus.FAILED, answer)
    (view,), _ = await queries.page(WorkflowFilter(), page=1, limit=10)
    assert view.failure == "nobody knows this model. spell it out"


async def test_a_configuration_has_the_project_of_its_workflow_and_its_own_cluster(queries, workflows):
    request, answer = await ended(workflows, "c1", "c2")
    for cluster in answer.clusters:
        owner = await queries.owner_of(UUID(cluster.best.configuration.config_id))
        assert (owner.project_id, owner.cluster_id) == (request.project_id, cluster.cluster_id)
    assert await queries.owner_of(uuid4()) is None


async def test_the_first_request_of_an_id_is_kept_to_be_compared(queries, workflows):
    request = make_request(project_id="p1")
    await workflows.insert_if_absent(request)
    await workflows.insert_if_absent(make_request(request.workflow_id, project_id="p2"))
    assert await queries.request_of(request.workflow_id) == request
    await workflows.cancel(unknown := uuid4())
    assert await queries.request_of(unknown) is None
    assert await queries.status(unknown) is WorkflowStatus.CANCELLED
    assert await queries.status(uuid4()) is None


async def test_only_what_is_not_terminal_counts_as_open(queries, workflows):
    await workflows.insert_if_absent(make_request())
    await ended(workflows, "c1")
    assert await queries.open_count() == 1


async def test_blacklist_and_marks_show_feedback_to_those_who_may_see_the_cluster(queries, workflows, sessions, messages):
    request, answer = await ended(workflows, "c1", "c1|b")
    config_ids = {cluster.cluster_id: cluster.best.configuration.config_id for cluster in answer.clusters}
    blacklists = PostgresBlacklists(sessions, clock=FakeClock(4e9), ttl_s=60.0)  # live for PostgreSQL's own clock
    for config_id in config_ids.values():
        recorded = await blacklists.find_configuration(UUID(config_id))
        await blacklists.apply(
            recorded, FeedbackReport(event_id=uuid4(), config_id=UUID(config_id), failed=True, reason="crashed"), messages
        )
    everything, total = await queries.blacklist(page=1, limit=10)
    assert ([view.key for view in everything], total) == (["c1|b|cuda", "c1|cuda"], 2)
    second, _ = await queries.blacklist(page=2, limit=1)
    assert [view.entry.config_id for view in second] == [config_ids["c1"]]
    seen, count = await queries.blacklist(cluster_ids=frozenset({"c1"}), page=1, limit=10)
    assert ([view.entry.config_id for view in seen], count) == ([config_ids["c1"]], 1)
    assert await queries.blacklist(cluster_ids=frozenset(), page=1, limit=10) == ([], 0)
    by_key = {
        blacklist.key: [entry.config_id for entry in blacklist.entries] for blacklist in await queries.blacklists(["c1|cuda", "c2|cuda"])
    }
    assert by_key == {"c1|cuda": [config_ids["c1"]], "c2|cuda": []}
    best = await queries.best_of([request.workflow_id])
    assert [(item.cluster_id, item.is_blacklisted) for item in best] == [(cluster.cluster_id, True) for cluster in answer.clusters]
