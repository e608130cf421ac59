"""What feedback observed, read with the configuration it is of and with what each model set had predicted of it."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from budsim.core.ranking.rank import Findings, recommend
from budsim.core.search.part import PartResult, SetPrediction
from budsim.services.accuracy.score import Metric
from budsim.services.ports import FeedbackReport, PlanNotes, WorkflowStatus
from budsim.services.set_scores import compared
from budsim.storage.blacklist import PostgresBlacklists
from budsim.storage.observations import PostgresObservations
from budsim.storage.workflows import PostgresWorkflows
from tests.support.storage_values import FakeClock, make_request, parts_of, result_of

REPORT = FeedbackReport(event_id=uuid4(), config_id=uuid4(), failed=False, reason="")


def beside(result: PartResult, version: str) -> tuple[SetPrediction, ...]:
    """What another set says: everything takes twice as long."""
    told = {found.config_id: found for found in (*result.configurations, *result.pareto)}
    return tuple(
        SetPrediction(
            config_id=found.config_id,
            model_set=version,
            ttft_s=2 * found.ttft_s,
            e2e_s=2 * found.e2e_s,
            throughput_per_user=found.throughput_per_user / 2,
            ttft_range_s=found.ttft_range_s,
            throughput_range=found.throughput_range,
            e2e_range_s=found.e2e_range_s,
        )
        for found in told.values()
    )


@pytest.fixture
def blacklists(sessions) -> PostgresBlacklists:
    return PostgresBlacklists(sessions, clock=FakeClock(4e9), ttl_s=3600.0)


@pytest.fixture
async def recommended(workflows: PostgresWorkflows):
    """The best configuration of an ended workflow that two sets predicted."""
    request = make_request()
    (part,) = parts_of(request.workflow_id, "c1")
    found = result_of(part)
    result = replace(found, predictor_version="first-1", beside=beside(found, "second-2"))
    answer = recommend(Findings(workflow_id=str(request.workflow_id), slo=request.slo, parts=[part], results=[result]))
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.plan([part], PlanNotes(), deadline_s=1000.0)
        await workflow.record(result)
        await workflow.finish(WorkflowStatus.COMPLETED, answer)
    return answer.clusters[0].configurations[0]


async def report(blacklists: PostgresBlacklists, messages, config_id: str, **observed: object) -> None:
    recorded = await blacklists.find_configuration(UUID(config_id))
    assert recorded is not None
    await blacklists.apply(recorded, replace(REPORT, event_id=uuid4(), config_id=UUID(config_id), **observed), messages)


async def test_an_observation_comes_with_its_run_and_with_what_both_sets_predicted(blacklists, recommended, sessions, messages):
    found = recommended.configuration
    await report(
        blacklists,
        messages,
        found.config_id,
        observed_ttft_s=0.4,
        observed_e2e_s=4.0,
        observed_throughput_per_user=25.0,
        observed_concurrency=30,
    )
    (observation,) = await PostgresObservations(sessions).all()
    assert (observation.config_id, observation.candidate) == (UUID(found.config_id), found.candidate)
    assert (observation.model, observation.hardware, observation.device_type) == ("org/model-8b", "ACC-80GB", "cuda")
    assert (observation.engine, observation.engine_version, observation.quantization) == ("vllm", recommended.part.engine.version, None)
    assert (observation.input_tokens, observation.output_tokens) == (1000, 101)
    assert (observation.ttft_s, observation.e2e_s, observation.throughput_per_user, observation.concurrency) == (0.4, 4.0, 25.0, 30)
    first, second = observation.predictions
    assert (first.method, first.version, second.method, second.version) == ("heuristic", "first-1", "regressor", "second-2")
    assert first.ttft_s.mean == pytest.approx(found.ttft_s)
    assert second.ttft_s.mean == pytest.approx(2 * found.ttft_s)
    assert first.e2e_s.high == pytest.approx(found.e2e_range_s.high)
    assert second.throughput_per_user.mean == pytest.approx(found.throughput_per_user / 2)


async def test_sets_are_compared_on_what_was_observed(blacklists, recommended, sessions, messages):
    found = recommended.configuration
    await report(blacklists, messages, found.config_id, observed_ttft_s=found.ttft_s, observed_concurrency=found.candidate.concurrency)
    comparison = compared(await PostgresObservations(sessions).all())
    errors = {(score.version, score.engine): score.scores[Metric.TTFT].mape for score in comparison.scores}
    assert errors == pytest.approx({("first-1", "all"): 0.0, ("first-1", "vllm"): 0.0, ("second-2", "all"): 1.0, ("second-2", "vllm"): 1.0})


async def test_reports_without_figures_and_of_deployments_that_ran_out_of_memory_are_no_observations(
    blacklists, recommended, sessions, messages
):
    config_id = recommended.configuration.config_id
    await report(blacklists, messages, config_id, failed=True, reason="crashed")
    await report(blacklists, messages, config_id, failed=True, reason="CUDA out of memory", observed_ttft_s=9.0)
    assert await PostgresObservations(sessions).all() == []
    await report(blacklists, messages, config_id, failed=True, reason="TTFT too long", observed_ttft_s=9.0)
    assert [found.ttft_s for found in await PostgresObservations(sessions).all()] == [9.0]


async def test_only_recommended_configurations_have_predictions_beside_them(recommended, migrated_database):
    stored = {row[0] for row in await migrated_database.fetch("SELECT config_id FROM simulation_results")}
    others = [row[0] for row in await migrated_database.fetch("SELECT config_id FROM set_predictions WHERE model_set = 'second-2'")]
    assert set(others) == stored
    answered = await migrated_database.fetch("SELECT DISTINCT method, model_set FROM simulation_results")
    assert [tuple(row) for row in answered] == [("heuristic", "first-1")]


async def test_the_shapes_of_observed_models_come_with_them(blacklists, recommended, sessions, messages):
    assert await PostgresObservations(sessions).models() == {}
    for _ in range(2):
        await report(blacklists, messages, recommended.configuration.config_id, observed_ttft_s=0.4)
    assert await PostgresObservations(sessions).models() == {"org/model-8b": recommended.part.model}
