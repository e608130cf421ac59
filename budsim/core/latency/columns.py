"""Figures that hold for one run or for columns of runs, and how columns of unlike runs are put below each other."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np

from budsim.core.engines.candidates import IntArray


class Lane(IntEnum):
    """Width of the numbers that are multiplied."""

    WIDE = 0  # 16 bits
    EIGHT = 1
    FOUR = 2


Columns = TypeVar("Columns")


def stacked(parts: Sequence[Columns], lengths: Sequence[int]) -> Columns:
    """Return the columns of all parts below each other; figures that hold for a whole part are repeated.

    Args:
        parts: Dataclasses of columns, nested or not, all of one type.
        lengths: Rows of each part.
    """
    first: Any = parts[0]
    values = {field.name: _stacked([getattr(part, field.name) for part in parts], lengths) for field in fields(first)}
    joined: Columns = type(first)(**values)
    return joined


def _stacked(values: Sequence[Any], lengths: Sequence[int]) -> Any:
    if is_dataclass(values[0]):
        return stacked(values, lengths)
    return np.concatenate([np.broadcast_to(np.asarray(value), length) for value, length in zip(values, lengths, strict=True)])


def taken(columns: Columns, chosen: IntArray) -> Columns:
    """Return the rows at these indices of columns of shape (n,), nested or not."""
    part: Any = columns
    values = {field.name: _taken(getattr(part, field.name), chosen) for field in fields(part)}
    picked: Columns = type(part)(**values)
    return picked


def _taken(value: Any, chosen: IntArray) -> Any:
    return taken(value, chosen) if is_dataclass(value) else value[chosen]
