"""Candidates: deployments to be judged, as arrays, and one of them as a value."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from budsim.core.elementwise import BoolArray, Figure, FloatArray, IntArray
from budsim.core.model.spec import Precision
from budsim.core.remembered import remembered

__all__ = ["PRECISION_CODES", "BoolArray", "Candidate", "Candidates", "FloatArray", "IntArray", "Rows", "entry", "evaluated", "row_count"]

T = TypeVar("T")
PRECISION_CODES: tuple[Precision, ...] = tuple(Precision)  # a code is an index into this


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One deployment of one engine: layout, knobs, and the concurrency one replica carries."""

    tensor_parallel: int
    pipeline_parallel: int
    concurrency: int
    max_num_seqs: int
    max_num_batched_tokens: int
    block_size: int
    chunked_prefill: bool
    prefix_caching: bool
    kv_precision: Precision
    scheduler_delay_factor: float = 0.0
    data_parallel: int = 1
    expert_parallel: int = 1

    @property
    def devices(self) -> int:
        """Devices one replica takes."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def kv_width_bytes(self) -> float:
        """Width of one cached value. [bytes]"""
        return self.kv_precision.bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Columns of shape (n,), one entry a candidate; `kv_precision` holds codes of PRECISION_CODES."""

    tensor_parallel: IntArray
    pipeline_parallel: IntArray
    concurrency: IntArray
    max_num_seqs: IntArray
    max_num_batched_tokens: IntArray
    block_size: IntArray
    chunked_prefill: BoolArray
    prefix_caching: BoolArray
    kv_precision: IntArray
    scheduler_delay_factor: FloatArray
    data_parallel: IntArray
    expert_parallel: IntArray

    def __len__(self) -> int:
        return int(self.tensor_parallel.shape[0])

    @property
    def devices(self) -> IntArray:
        """Devices one replica takes, shape (n,)."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def kv_width_bytes(self) -> FloatArray:
        """Width of one cached value, shape (n,). [bytes]"""
        return np.array([precision.bytes for precision in PRECISION_CODES], dtype=np.float64)[self.kv_precision]

    @classmethod
    def from_rows(cls, rows: "list[Candidate] | tuple[Candidate, ...]") -> "Candidates":
        """Return the columns of `rows`, in their order."""
        columns = {name: [getattr(row, name) for row in rows] for name in _NAMES if name != "kv_precision"}
        codes = np.array([PRECISION_CODES.index(row.kv_precision) for row in rows], dtype=np.int64)
        arrays: dict[str, NDArray[Any]] = {name: np.array(values, dtype=_DTYPES.get(name, np.int64)) for name, values in columns.items()}
        return cls(kv_precision=codes, **arrays)

    def row(self, index: int) -> Candidate:
        """Return one candidate as a value."""
        values = {name: getattr(self, name)[index].item() for name in _NAMES if name != "kv_precision"}
        return Candidate(kv_precision=PRECISION_CODES[int(self.kv_precision[index])], **values)

    def take(self, where: "IntArray | BoolArray") -> "Candidates":
        """Return the candidates at these indices, or under this mask."""
        return Candidates(**{name: getattr(self, name)[where] for name in _NAMES})


Rows: TypeAlias = Candidate | Candidates  # what a formula runs on: the numbers of one deployment, or columns of many


def row_count(rows: Rows) -> int:
    """Return how many deployments there are."""
    return len(rows) if isinstance(rows, Candidates) else 1


def entry(column: FloatArray | IntArray, rows: Rows) -> Figure:
    """Return a column as a formula over the same rows reads it: a number for a single candidate."""
    return column if isinstance(rows, Candidates) else column.item()


def evaluated(formula: Callable[[Rows], T], candidates: Candidates) -> T:
    """Return a formula's answer for all candidates; a single one is reckoned in numbers, which is ten times as fast as in columns.

    Columns answer a division by zero, as of a device without bandwidth, with infinity where numbers refuse it: then columns it is.
    """
    if len(candidates) == 1:
        try:
            return formula(_alone(candidates))
        except (ArithmeticError, ValueError):
            return formula(candidates)
    return formula(candidates)


@remembered
def _alone(candidates: Candidates) -> Candidate:
    return candidates.row(0)


_NAMES = tuple(field.name for field in fields(Candidates))
_DTYPES: dict[str, type] = {"chunked_prefill": np.bool_, "prefix_caching": np.bool_, "scheduler_delay_factor": np.float64}
