"""Cells of a table that people filled in: absent, blank, «nan» and nonsense are all nothing."""

import math
from collections.abc import Mapping
from typing import Final

_NOTHING: Final = frozenset({"", "nan", "none", "null", "na", "n/a", "-", "?"})


def text(row: Mapping[str, str | None], column: str) -> str | None:
    """Return what a cell says, None when it says nothing."""
    value = row.get(column)
    if not isinstance(value, str) or value.strip().lower() in _NOTHING:
        return None
    return value.strip()


def number(row: Mapping[str, str | None], column: str) -> float | None:
    """Return the finite number of a cell, None when it holds none."""
    value = text(row, column)
    try:
        found = float(value.replace(",", "")) if value else None
    except ValueError:
        return None
    return found if found is not None and math.isfinite(found) else None


def positive(row: Mapping[str, str | None], column: str) -> float | None:
    """Return the number of a cell above zero, None when it holds none."""
    found = number(row, column)
    return found if found is not None and found > 0 else None


def whole(row: Mapping[str, str | None], column: str, default: int = 0) -> int:
    """Return the whole number of a cell that is at least zero, `default` when it holds none."""
    found = number(row, column)
    return default if found is None or found < 0 else round(found)
