"""Parameter counts of published models, against what was published of each; source beside each row."""

import csv
from pathlib import Path

import pytest

from budsim.core.model.catalogue import catalogue, catalogue_model
from budsim.core.model.parameters import active_parameter_count, embedding_parameters, parameter_count
from budsim.core.model.spec import ModelSpec

PUBLISHED = Path(__file__).parents[2] / "data" / "published_parameters.csv"
ROWS = list(csv.DictReader(PUBLISHED.read_text(encoding="utf-8").splitlines()))
ACTIVE = [row for row in ROWS if row["active"]]
UNITS = {"T": 1e12, "B": 1e9, "M": 1e6}
SHARE = 0.005
CONTEXTS = {  # max_position_embeddings of their config.json, which base and tuned models need not share
    "Qwen/Qwen2-7B": 131_072,
    "Qwen/Qwen2-7B-Instruct": 32_768,
    "Qwen/Qwen2-72B": 131_072,
    "Qwen/Qwen2-72B-Instruct": 32_768,
    "Qwen/Qwen2.5-7B": 131_072,
    "Qwen/Qwen2.5-7B-Instruct": 32_768,
    "Qwen/Qwen3-30B-A3B-Instruct-2507": 262_144,
    "Qwen/Qwen3-Next-80B-A3B-Instruct": 262_144,
    "Qwen/Qwen3-Next-80B-A3B-Thinking": 262_144,
    "bigcode/starcoder2-3b": 16_384,
    "CohereForAI/c4ai-command-r-v01": 131_072,
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": 1_048_576,
}


def _figure(text: str) -> tuple[float, float]:
    """Return a published figure and half its last digit: «3.3B» is 3.3e9 ± 0.05e9."""
    unit = UNITS.get(text[-1], 1.0)
    digits = text.rstrip("TBM")
    places = len(digits.partition(".")[2])
    return float(digits) * unit, 0.5 * 10.0**-places * unit


def _model(name: str) -> ModelSpec:
    found = catalogue_model(name)
    assert found is not None, name
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["model"])
def test_a_model_has_the_parameters_that_were_published(row: dict[str, str]) -> None:
    published, half_digit = _figure(row["total"])
    assert parameter_count(_model(row["model"])) == pytest.approx(published, abs=max(SHARE * published, half_digit))


@pytest.mark.parametrize("row", ACTIVE, ids=lambda row: row["model"])
def test_a_token_meets_the_parameters_that_were_published(row: dict[str, str]) -> None:
    # some publishers leave out the embedding, of which a token looks up one row
    model = _model(row["model"])
    counted = active_parameter_count(model) - (0 if row["active_counts_embedding"] == "yes" else embedding_parameters(model))
    published, half_digit = _figure(row["active"])
    assert counted == pytest.approx(published, abs=max(SHARE * published, half_digit))


def test_the_table_is_broad_enough() -> None:
    families = {_model(row["model"]).model_type for row in ROWS}
    assert len(ROWS) >= 60
    assert len(families) >= 25
    assert len(ACTIVE) >= 8
    assert all(row["source"] for row in ROWS)


@pytest.mark.parametrize(("name", "tokens"), CONTEXTS.items(), ids=CONTEXTS)
def test_a_model_has_the_context_that_was_published(name: str, tokens: int) -> None:
    assert _model(name).max_context_length == tokens


def test_no_shipped_fact_rests_on_memory() -> None:
    sources = [row["source"] for row in ROWS] + [model.source for model in catalogue().values()]
    assert not [source for source in sources if "recalled" in source or "reread" in source]
