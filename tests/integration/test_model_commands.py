"""budsim models on a real PostgreSQL: live feedback scored by model set, and written as rows that budsim accuracy reads."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from budsim.cli.main import app
from budsim.cli.observed import with_feedback
from budsim.config import load_settings
from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.search.direct import direct_search
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Configuration, Part, SearchTask
from budsim.services.accuracy.rows import read_row
from budsim.services.accuracy.runs import run_of
from budsim.services.ports import FeedbackReport, PlanNotes, WorkflowStatus
from budsim.storage.blacklist import PostgresBlacklists
from budsim.storage.engine import Sessions, create_engine, create_sessions
from budsim.storage.workflows import PostgresWorkflows
from tests.support.databases import Database, run_apart
from tests.support.search_fakes import make_group
from tests.support.storage_values import FakeClock, FakeMessages, make_request, parts_of

MODEL, DEVICE = "meta-llama/Llama-3.1-8B", "A100-SXM-80GB"


def real_part(workflow_id: UUID) -> Part:
    """Return a part of a catalogued model on a catalogued device."""
    device, model = catalogue()[DEVICE], catalogue_model(MODEL)
    assert model is not None
    (part,) = parts_of(workflow_id, "c1")
    group = replace(make_group(nodes=(8,)), accelerator=device, device_name=DEVICE, memory_bytes=device.memory_bytes)
    return replace(part, model=model, group=group)


async def recommended(sessions: Sessions) -> Configuration:
    """Store an ended workflow and return its best configuration."""
    request = make_request(model_uri=MODEL)
    part, memory = real_part(request.workflow_id), AnalyticMemory()
    task = narrow(part, (), memory, now_s=0.0)
    assert isinstance(task, SearchTask)
    result = replace(direct_search(task, HeuristicPredictor(memory=memory), memory), predictor_version="constants-7")
    answer = recommend(Findings(workflow_id=part.workflow_id, slo=request.slo, parts=[part], results=[result]))
    workflows = PostgresWorkflows(sessions, FakeMessages())  # type: ignore[arg-type]
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        assert workflow is not None
        await workflow.plan([part], PlanNotes(), deadline_s=1000.0)
        await workflow.finish(WorkflowStatus.COMPLETED, answer)
    return answer.clusters[0].configurations[0].configuration


@pytest.fixture
def observed(migrated_database: Database) -> Configuration:
    """The configuration that was recommended, and observed at twice the TTFT and half as long again for the whole."""

    async def fill() -> Configuration:
        engine = create_engine(migrated_database.dsn)
        sessions = create_sessions(engine)
        found = await recommended(sessions)
        blacklists = PostgresBlacklists(sessions, clock=FakeClock(4e9), ttl_s=60.0)
        recorded = await blacklists.find_configuration(UUID(found.config_id))
        assert recorded is not None
        report = FeedbackReport(
            event_id=uuid4(),
            config_id=recorded.config_id,
            failed=False,
            reason="",
            observed_ttft_s=2 * found.ttft_s,
            observed_e2e_s=1.5 * found.e2e_s,
            observed_concurrency=found.candidate.concurrency,
        )
        await blacklists.apply(recorded, report, FakeMessages())  # type: ignore[arg-type]
        await engine.dispose()
        return found

    return run_apart(fill)


@pytest.fixture
def run(migrated_database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BUDSIM_DATABASE_URL", migrated_database.dsn)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [*words], catch_exceptions=False).output


def test_compare_scores_what_was_predicted_against_what_was_observed(run, observed: Configuration):
    found = json.loads(run("models", "compare", "--json"))
    assert (found["observations"], found["other_load"], found["unpredicted"]) == (1, 0, 0)
    scores = {(score["engine"], score["device_type"]): score for score in found["scores"]}
    assert scores.keys() == {("all", "all"), ("vllm", "cuda")}
    score = scores["vllm", "cuda"]
    assert (score["method"], score["version"]) == ("heuristic", "constants-7")
    # predicted / observed: 1/2 and 1/1.5
    assert score["scores"]["TTFT"]["mape"] == pytest.approx(0.5)
    assert score["scores"]["E2E"]["bias"] == pytest.approx(1 / 1.5 - 1)
    assert score["scores"]["TTFT"]["rows"] == 1
    assert "tok/s/user" not in score["scores"]
    table = run("models", "compare")
    assert "heuristic constants-7" in table
    assert "-50.0%" in table


def test_feedback_is_written_as_rows_that_accuracy_reads(run, observed: Configuration, tmp_path: Path):
    out, predictions = tmp_path / "observed.csv", tmp_path / "predictions.csv"
    assert run("models", "feedback", "--out", str(out)).strip().startswith("1 observations written to")
    with out.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["model"], row["hardware"], row["tp"]) == (MODEL, DEVICE, str(observed.candidate.tensor_parallel))
    assert float(row["mean_ttft_ms"]) == pytest.approx(2e3 * observed.ttft_s, rel=1e-4)
    told = run("accuracy", str(out), "--out", str(predictions))
    assert "vllm × cuda" in told
    with predictions.open(encoding="utf-8", newline="") as file:
        (predicted,) = csv.DictReader(file)
    assert predicted["status"] == "ok"


def test_training_takes_what_feedback_observed_behind_the_rows_it_is_given(observed: Configuration, migrated_database: Database):
    given = {"model": "org/measured", "source": "a table"}
    rows, models = with_feedback(load_settings(database_url=migrated_database.dsn), [given], {})
    assert [row["source"] for row in rows] == ["a table", "feedback"]
    assert models == {MODEL.lower(): catalogue_model(MODEL)}
    (known,) = (row for row in map(read_row, rows) if row.measured.ttft_s is not None)
    assert run_of(known, models).candidate.concurrency == observed.candidate.concurrency


def test_without_feedback_there_is_nothing_to_compare_and_no_row(run, tmp_path: Path):
    assert "nothing to compare" in run("models", "compare")
    out = tmp_path / "observed.csv"
    run("models", "feedback", "--out", str(out))
    assert out.read_text(encoding="utf-8").count("\n") == 1
