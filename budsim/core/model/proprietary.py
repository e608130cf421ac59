"""Models that are only sold as an API: what they cost, from a dated price table."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from budsim.core.model.spec import ModelKind, ModelSpec, TokenPrice

# model_prices_and_context_window_backup.json of litellm 1.110.2 (MIT), which names each provider's price page; read on 2026-11-24
PRICED: Final = "price table of litellm 1.110.2, read 2026-11-24"


def proprietary_model(model_id: str) -> ModelSpec | None:
    """Return a model by the name its provider sells it under, or by «provider/name»; None where no price is known."""
    wanted = model_id.lower()
    row = _prices().get(wanted)
    return None if row is None else _spec(row)


def proprietary_names() -> tuple[str, ...]:
    """Return the names in the table."""
    return tuple(row["model"] for row in _rows())


def _spec(row: Mapping[str, str]) -> ModelSpec:
    price = TokenPrice(
        usd_per_million_input=float(row["usd_per_million_input"]),
        usd_per_million_output=float(row["usd_per_million_output"]),
        source=PRICED,
    )
    return ModelSpec(
        model_id=row["model"],
        model_type=row["provider"],
        architectures=(),
        kind=ModelKind.PROPRIETARY,
        hidden_size=0,
        vocab_size=0,
        blocks=(),
        tied_embeddings=False,
        max_context_length=int(row["max_input_tokens"]),
        source=f"proprietary: {PRICED}",
        price=price,
    )


@cache
def _prices() -> Mapping[str, Mapping[str, str]]:
    """Return the rows by every name they go by, in lower case."""
    found: dict[str, Mapping[str, str]] = {}
    for row in _rows():
        name = row["model"].lower()
        found[name] = row
        found.setdefault(f"{row['provider']}/{name.rpartition('/')[2]}", row)
    return found


@cache
def _rows() -> tuple[Mapping[str, str], ...]:
    text = files(__package__).joinpath("proprietary.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))
