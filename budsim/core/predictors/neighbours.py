"""Kriging: what measured runs near a candidate tell of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray, IntArray
from budsim.core.predictors.likeness import COLUMNS, LAYOUT_COLUMNS, PROMPT_COLUMNS, USERS_COLUMN, Kernel, faded, identity

LEAST_TELLING: Final = 0.01  # of the variance: runs that share less say nothing of how near a candidate is
UNRELATED: Final = 1e-9  # of the variance: runs that share less with a candidate tell it nothing
KINDS_KEPT: Final = 128  # about 10 kB each with the shipped runs
LAYOUTS_KEPT: Final = 8_192  # about 1 kB each


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """Measured runs and their weights.

    Attributes:
        kernel: How alike runs are.
        points: Coordinates of the measured runs, shape (runs, len(COORDINATES)).
        weights: What each adds to a candidate exactly like it, shape (runs,).
    """

    kernel: Kernel
    points: FloatArray
    weights: FloatArray

    def told(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the logarithmic correction the runs tell, and the likeness of the nearest run, 0…1, both of shape (n,).

        Candidates of one part share model, device, engine and prompt; what differs is few layouts and few loads. So what is shared is
        worked out once and kept, a layout once, and runs are summed where they ran alike: a candidate then meets as many sums as there
        are measured numbers of users. Nothing is summed across candidates: one is told the same, to the bit, in any batch.

        Args:
            features: Shape (n, len(FEATURES)).
        """
        asked = np.ascontiguousarray(features[:, COLUMNS])
        mean, nearest = np.zeros(len(asked)), np.zeros(len(asked))
        kinds = asked.copy()
        kinds[:, USERS_COLUMN] = kinds[:, LAYOUT_COLUMNS] = 0.0
        for of_kind in _alike(kinds):
            kind = _kind(self, kinds[of_kind[0]].tobytes())
            mean[of_kind], nearest[of_kind] = _told(kind, asked[of_kind])
        return mean, nearest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Runs of one layout under one number of users together.

    Attributes:
        users: Measured numbers of users as a column, shape (users, 1).
        layouts: Measured layouts, shape (layouts, len(LAYOUT)).
        users_of: Which users a cell has, shape (cells,).
        layout_of: Which layout it has, shape (cells,).
        cell_of: In which cell a run is, shape (runs,).
    """

    users: FloatArray
    layouts: FloatArray
    users_of: IntArray
    layout_of: IntArray
    cell_of: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """Runs of which one is the most like any candidate: those that another of the same cell exceeds in both variances are left out.

    Attributes:
        shared: Variance each shares with a candidate, shape (m,). [log²]
        local: Variance of what is local, shape (m,). [log²]
        cell: Where each lies: a cell, or the users of one, shape (m,).
    """

    shared: FloatArray
    local: FloatArray
    cell: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """What runs tell candidates of one model, device, engine and prompt, before their layout and users fade it.

    Attributes:
        runs: The runs.
        shared: Sums of weighted shared variances by cell, shape (cells,).
        local: Sums of weighted local variances by cell, shape (cells,).
        nearest: Runs that may be the nearest, by cell.
    """

    runs: Neighbours
    shared: FloatArray
    local: FloatArray
    nearest: Nearest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """What runs tell candidates of one kind and layout, before their users fade it; by measured users, shape (users,)."""

    runs: Neighbours
    shared: FloatArray
    local: FloatArray
    nearest: Nearest


def _told(kind: Kind, asked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return correction and nearest likeness of candidates of one kind, shape (n,) each."""
    mean, nearest, layouts = np.zeros(len(asked)), np.zeros(len(asked)), asked[:, LAYOUT_COLUMNS]
    users, users_of = np.unique(asked[:, USERS_COLUMN], return_inverse=True)
    wide, narrow = faded(users[:, None], _cells(kind.runs).users, kind.runs.kernel, USERS_COLUMN)
    for rows in _alike(layouts):
        layout = _layout(kind, layouts[rows[0]].tobytes())
        loads, load_of = np.unique(users_of.reshape(-1)[rows], return_inverse=True)
        found = _faded_by_users(layout, wide[loads], narrow[loads])
        mean[rows], nearest[rows] = found[0][load_of], found[1][load_of]
    return mean, nearest


def _faded_by_users(layout: Layout, wide: FloatArray, narrow: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return correction and nearest likeness of loads of one layout, shape (loads,); fades of shape (loads, users).

    Row by row, where a matrix product would sum in another order in another batch.
    """
    mean = (wide * layout.shared + narrow * layout.local).sum(axis=1)
    nearest = layout.nearest
    covariance = wide[:, nearest.cell] * nearest.shared + narrow[:, nearest.cell] * nearest.local
    return mean, covariance.max(axis=1, initial=0.0) / layout.runs.kernel.variance


@lru_cache(maxsize=LAYOUTS_KEPT)
def _layout(kind: Kind, key: bytes) -> Layout:
    """Return what a kind is told of a layout, its row as bytes."""
    cells, variance = _cells(kind.runs), kind.runs.kernel.variance
    far, near = (each[0] for each in faded(np.frombuffer(key)[None], cells.layouts, kind.runs.kernel, LAYOUT_COLUMNS))
    at = cells.layout_of[kind.nearest.cell]
    shared, local = kind.nearest.shared * far[at], kind.nearest.local * near[at]
    telling = shared + local > LEAST_TELLING * variance
    users = cells.users_of[kind.nearest.cell]
    return Layout(
        runs=kind.runs,
        shared=_sums(kind.shared * far[cells.layout_of], cells.users_of),
        local=_sums(kind.local * near[cells.layout_of], cells.users_of),
        nearest=_unexceeded(Nearest(shared=shared[telling], local=local[telling], cell=users[telling])),
    )


@lru_cache(maxsize=KINDS_KEPT)
def _kind(runs: Neighbours, key: bytes) -> Kind:
    """Return what runs tell a kind, the row of its coordinates as bytes; its users and layout are not looked at."""
    one, cells, kernel = np.frombuffer(key)[None], _cells(runs), runs.kernel
    found = identity(one, runs.points, kernel)
    shared, local = found.shared[0], found.local[0]
    told_shared, told_local = (each[0] for each in found.believed(kernel))
    related = shared + local > UNRELATED * kernel.variance
    far, near = (each[0] for each in faded(one[:, PROMPT_COLUMNS], runs.points[:, PROMPT_COLUMNS], kernel, PROMPT_COLUMNS))
    shared, local = np.where(related, shared * far, 0.0), np.where(related, local * near, 0.0)
    told_shared, told_local = np.where(related, told_shared * far, 0.0), np.where(related, told_local * near, 0.0)
    return Kind(
        runs=runs,
        shared=_sums(runs.weights * told_shared, cells.cell_of),
        local=_sums(runs.weights * told_local, cells.cell_of),
        nearest=_unexceeded(Nearest(shared=shared[related], local=local[related], cell=cells.cell_of[related])),
    )


@lru_cache(maxsize=KINDS_KEPT)
def _cells(runs: Neighbours) -> Cells:
    users, users_of = np.unique(runs.points[:, USERS_COLUMN], return_inverse=True)
    layouts, layout_of = np.unique(runs.points[:, LAYOUT_COLUMNS], axis=0, return_inverse=True)
    pairs, cell_of = np.unique(layout_of.reshape(-1) * len(users) + users_of.reshape(-1), return_inverse=True)
    return Cells(users=users[:, None], layouts=layouts, users_of=pairs % len(users), layout_of=pairs // len(users), cell_of=cell_of)


def _unexceeded(runs: Nearest) -> Nearest:
    """Return the runs that no other of their cell exceeds in both variances: sorted by the one, those that raise the most of the other."""
    order = np.lexsort((-runs.local, -runs.shared, runs.cell))
    height = np.empty(len(order), dtype=np.int64)
    height[np.argsort(runs.local[order], kind="stable")] = np.arange(len(order))
    height += runs.cell[order] * len(order)  # each cell above the one before it
    most = np.maximum.accumulate(height)
    kept = order[np.flatnonzero(np.diff(most, prepend=-1) > 0)]
    return Nearest(shared=runs.shared[kept], local=runs.local[kept], cell=runs.cell[kept])


def _sums(values: FloatArray, groups: IntArray) -> FloatArray:
    """Return the sum of each group, one value after the other, shape (groups,)."""
    return np.asarray(np.bincount(groups, weights=values), dtype=np.float64)


def _alike(table: FloatArray) -> Iterator[IntArray]:
    """Yield the indices of the rows of each sort in a table of few sorts; NaN is like NaN."""
    which = np.zeros(len(table), dtype=np.int64)
    varying = ((table != table[:1]) & ~(np.isnan(table) & np.isnan(table[:1]))).any(axis=0)
    for column in table[:, varying].T:
        _, sort = np.unique(column, return_inverse=True)
        _, which = np.unique(which * len(table) + sort, return_inverse=True)
    for number in range(which.max(initial=-1) + 1):
        yield np.flatnonzero(which == number)
