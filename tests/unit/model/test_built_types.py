"""Parameter counts of model types, against the models transformers 5.17.0 builds from each type's own defaults (meta device)."""

import csv
from pathlib import Path

import pytest
from transformers import AutoConfig

from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.parameters import parameter_count

BUILT = Path(__file__).parents[2] / "data" / "built_parameters.csv"
ROWS = [(row["model_type"], int(row["parameters"])) for row in csv.DictReader(BUILT.read_text(encoding="utf-8").splitlines())]


@pytest.mark.parametrize(("model_type", "parameters"), ROWS)
def test_a_type_has_the_parameters_of_the_model_that_is_built_of_it(model_type: str, parameters: int) -> None:
    config = AutoConfig.for_model(model_type).to_dict()
    assert parameter_count(model_from_config(config, model_id=model_type)) == pytest.approx(parameters, rel=0.005)


def test_enough_types_are_compared() -> None:
    assert len(ROWS) >= 80
