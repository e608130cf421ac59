"""Functions of a number or, element by element, of columns of numbers: one formula serves one candidate and thousands.

On a column of one entry numpy takes about a microsecond an operation; on a number Python takes a twentieth of that.
"""

from collections.abc import Sequence
from math import ceil, floor, log, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
Figure: TypeAlias = float | NDArray[np.floating[Any]] | IntArray  # one for all rows, or one a row: shape (n,)
Truth: TypeAlias = bool | BoolArray


def where(condition: Truth, yes: Figure, no: Figure) -> Figure:
    """Return `yes` where the condition holds, else `no`."""
    if type(condition) is ndarray:
        return np.where(condition, yes, no)
    return yes if condition else no


def maximum(one: Figure, other: Figure) -> Figure:
    """Return the larger; what is no number stays none."""
    if type(one) is ndarray or type(other) is ndarray:
        return np.asarray(np.maximum(one, other))
    return one if one >= other or one != one else other  # noqa: PLR0124


def minimum(one: Figure, other: Figure) -> Figure:
    """Return the smaller; what is no number stays none."""
    if type(one) is ndarray or type(other) is ndarray:
        return np.asarray(np.minimum(one, other))
    return one if one <= other or one != one else other  # noqa: PLR0124


def rounded_up(value: Figure) -> Figure:
    """Return the least whole number that is not below."""
    return np.ceil(value) if type(value) is ndarray else float(ceil(value))


def rounded_down(value: Figure) -> Figure:
    """Return the largest whole number that is not above."""
    return np.floor(value) if type(value) is ndarray else float(floor(value))


def square_root(value: Figure) -> Figure:
    """Return the root."""
    return np.sqrt(value) if type(value) is ndarray else sqrt(value)


def logarithm(value: Figure) -> Figure:
    """Return the natural logarithm."""
    return np.log(value) if type(value) is ndarray else log(value)


def column(value: Figure | Truth, count: int) -> FloatArray:
    """Return the value as a column of `count` rows."""
    if type(value) is ndarray and value.shape == (count,):
        return np.asarray(value, dtype=np.float64)
    return np.full(count, value, dtype=np.float64)


def columns(values: Sequence[Figure], count: int) -> list[FloatArray]:
    """Return each value as a column of `count` rows; of one row, as views of one array, for making an array is what takes time."""
    if count != 1:
        return [column(value, count) for value in values]
    row = _row(values)
    return [row[index : index + 1] for index in range(len(values))]


def table(values: Sequence[Figure], count: int) -> FloatArray:
    """Return the values as columns beside each other, shape (count, len(values))."""
    if count != 1:
        return np.column_stack([column(value, count) for value in values])
    return _row(values).reshape(1, len(values))


def _row(values: Sequence[Figure]) -> FloatArray:
    try:
        return np.array(values, dtype=np.float64).reshape(len(values))
    except ValueError:  # numbers and columns of one entry, which no array holds beside each other
        return np.array([np.asarray(value).item() for value in values], dtype=np.float64)
