"""Shapes of published models, shipped as facts: the fields of each model's own config, with its source."""

import json
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.spec import ModelSpec

CLOSEST = 3


@cache
def catalogue() -> dict[str, ModelSpec]:
    """Return every catalogued model by its lower-case id."""
    entries = json.loads(files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8"))
    return {
        model_id.lower(): model_from_config(entry["config"], model_id=model_id, source=f"catalogue: {entry['source']}")
        for model_id, entry in entries.items()
    }


def catalogue_model(model_id: str) -> ModelSpec | None:
    """Return a catalogued model, whatever the case of its id."""
    return catalogue().get(model_id.lower())


def nearest_models(model_id: str) -> tuple[str, ...]:
    """Return the catalogued ids most like `model_id`."""
    found = get_close_matches(model_id.lower(), catalogue(), n=CLOSEST, cutoff=0.3)
    return tuple(catalogue()[name].model_id for name in found)
