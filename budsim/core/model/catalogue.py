"""Shapes of published models, shipped as facts: the fields of each model's own config, with their source."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.proprietary import proprietary_names
from budsim.core.model.spec import ModelSpec

CLOSEST = 3
LEAST_LIKENESS = 0.3


def catalogue() -> dict[str, ModelSpec]:
    """Return every catalogued model by its lower-case id."""
    return {name: _read(name) for name in _entries()}


def catalogue_model(model_id: str) -> ModelSpec | None:
    """Return a catalogued model, whatever the case of its id."""
    name = model_id.lower()
    return _read(name) if name in _entries() else None


def nearest_models(model_id: str) -> tuple[str, ...]:
    """Return the catalogued and the sold ids most like `model_id`, whose owner may be left out."""
    wanted = model_id.lower()
    names = {entry["id"].lower(): str(entry["id"]) for entry in _entries().values()}
    if "/" not in wanted:
        names = {name.rpartition("/")[2]: known for name, known in reversed(names.items())}
    names |= {name.lower(): name for name in proprietary_names()}
    return tuple(names[name] for name in get_close_matches(wanted, names, n=CLOSEST, cutoff=LEAST_LIKENESS))


@cache
def _entries() -> Mapping[str, Mapping[str, Any]]:
    """Return the entries by lower-case id, read at first use."""
    entries: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8"))
    return {model_id.lower(): {**entry, "id": model_id} for model_id, entry in entries.items()}


@cache
def _read(name: str) -> ModelSpec:
    entry = _entries()[name]
    return model_from_config(_config(entry), model_id=entry["id"], source=f"catalogue: {entry['source']}")


def _config(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry's config: its own, or that of the model it is like, stored in the format it names."""
    base = entry.get("like")
    if base is None:
        found: Mapping[str, Any] = entry["config"]
        return found
    return {
        **_config(_entries()[base.lower()]),
        **({"quantization_config": entry["quantization_config"]} if "quantization_config" in entry else {}),
    }
