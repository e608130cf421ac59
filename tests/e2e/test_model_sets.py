"""Model sets over the stream and in this process: who answers, what is named, what falls back, what is recorded beside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from budsim.app import set_folders
from budsim.cli.simulate import answer_here
from budsim.config import Settings
from tests.support.databases import Database
from tests.support.feedback_values import A100, ONE_PART
from tests.support.in_process import InProcess, in_process
from tests.support.set_folders import break_pair, copied_set
from tests.support.stack import example_request
from topics.recommendations import RecommendationMade

ASKED = ONE_PART | {"simulation_method": "regressor"}
NEXT = "next-1"


@asynccontextmanager
async def serving(settings: Settings, **changes: Any) -> AsyncIterator[InProcess]:
    """The services with these settings changed, knowing one cluster of 8 × A100."""
    async with in_process(settings.model_copy(update=changes)) as services:
        await services.know(A100)
        yield services


async def both_ways(services: InProcess, **changes: Any) -> tuple[RecommendationMade, RecommendationMade]:
    """Return the answer of the stream and that of this process to one request."""
    event = example_request(workflow_id=str(uuid4()), **(ASKED | changes))
    return await services.answer(event), await answer_here(services.settings, event, [A100])


def named(answer: RecommendationMade) -> set[tuple[str, str]]:
    """Return who predicted what is recommended."""
    (cluster,) = answer.recommendations
    return {(found.method, found.model_set_version) for found in cluster.configurations} | {(cluster.method, cluster.model_set_version)}


def shipped_version(settings: Settings) -> str:
    (version,) = set_folders(settings).versions()
    return version


async def test_the_regressor_answers_by_itself_and_names_its_model_set_over_the_stream_and_in_process(settings: Settings) -> None:
    version = shipped_version(settings)
    async with serving(settings) as services:
        for answer in await both_ways(services, simulation_method=None):
            assert named(answer) == {("regressor", version)}
            assert answer.recommendations[0].method_note == ""
        streamed, here = await both_ways(services)
    assert [found.model_dump() for found in streamed.recommendations[0].configurations] == [
        found.model_dump() for found in here.recommendations[0].configurations
    ]


async def test_the_heuristic_answers_otherwise_than_the_regressor(settings: Settings) -> None:
    async with serving(settings) as services:
        learned, _ = await both_ways(services)
        physics, _ = await both_ways(services, simulation_method="heuristic")
    assert {method for method, _ in named(physics)} == {"heuristic"}
    assert learned.recommendations[0].metrics.ttft != physics.recommendations[0].metrics.ttft


async def test_a_broken_model_falls_back_to_the_heuristic_and_says_why(settings: Settings, tmp_path: Path) -> None:
    broken = break_pair(copied_set(tmp_path / "broken"), "vllm/cuda")
    async with serving(settings, pretrained_models_dir=broken) as services:
        for answer in await both_ways(services):
            (cluster,) = answer.recommendations
            assert {method for method, _ in named(answer)} == {"heuristic"}
            assert ".ubj" in cluster.method_note
            assert "answered by heuristic" in cluster.method_note
            assert cluster.method_note in cluster.warnings


async def test_a_request_may_name_a_set_and_an_unknown_one_is_refused_with_those_that_are_known(settings: Settings, tmp_path: Path) -> None:
    copied_set(tmp_path / "more" / "next", version=NEXT)
    version = shipped_version(settings)
    async with serving(settings, model_sets_dir=tmp_path / "more") as services:
        for answer in await both_ways(services, model_set=NEXT):
            assert named(answer) == {("regressor", NEXT)}
        for answer in await both_ways(services, model_set="nobody-9"):
            assert (answer.status, answer.error and answer.error.param) == ("failed", "model_set")
            assert answer.error is not None
            assert "model_set 'nobody-9' is not at hand" in answer.error.message
            assert f"{version}, {NEXT}" in answer.error.remedy


@pytest.mark.parametrize(
    ("ab_share", "answers", "beside"), [(0.0, None, NEXT), (1.0, NEXT, None)], ids=["the first answers", "the second answers"]
)
async def test_both_sets_predict_what_is_recommended_and_the_answer_names_its_own(
    settings: Settings, migrated_database: Database, tmp_path: Path, ab_share: float, answers: str | None, beside: str | None
) -> None:
    shipped = shipped_version(settings)
    second = copied_set(tmp_path / "next", version=NEXT)
    async with serving(settings, shadow_models=second, ab_share=ab_share) as services:
        streamed, here = await both_ways(services)
    assert named(streamed) == named(here) == {("regressor", answers or shipped)}
    rows = await migrated_database.fetch("SELECT config_id, model_set, ttft FROM set_predictions")
    predicted = {row["config_id"]: row["ttft"] for row in rows}
    recommended = {UUID(found.config_id): found.ttft for found in streamed.recommendations[0].configurations}
    assert recommended.keys() <= predicted.keys()
    assert {row["model_set"] for row in rows} == {beside or shipped}
    for config_id, ttft in recommended.items():  # the second is a copy of the first: it says the same
        assert predicted[config_id] == pytest.approx(ttft)


async def test_without_a_share_nothing_is_recorded_beside(settings: Settings, migrated_database: Database, tmp_path: Path) -> None:
    async with serving(settings, shadow_models=copied_set(tmp_path / "next", version=NEXT), shadow_share=0.0) as services:
        await both_ways(services)
    assert await migrated_database.fetch("SELECT 1 FROM set_predictions") == []
