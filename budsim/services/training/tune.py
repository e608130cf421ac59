"""What is tried on folds, and which of it does best on other rows than those a prediction is for."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray, IntArray
from budsim.services.training.boost import told
from budsim.services.training.folds import Fold, Held, Split
from budsim.services.training.learn import Learnable, Steps, faded, kriging, trees_without
from budsim.services.training.settings import TARGETS, Settings, Way

WORSE_COUNTS: Final = 4.0  # times that an error beyond that of physics counts: what is new shall not be told worse than by physics


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A fold with what trees that never saw it say of all rows.

    Attributes:
        rows: Rows with physics that never saw it.
        trees: Logarithmic corrections of every row, shape (n, targets, kinds of trees).
    """

    fold: Fold
    rows: Learnable
    trees: FloatArray

    @property
    def batches(self) -> IntArray:
        """Indices of its static batches."""
        return np.flatnonzero(self.fold.held & self.rows.table.static)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing that is tried: kinds of trees and kernel by number."""

    trees: int
    kernel: int
    trust: float
    fades: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Every option of one target on every fold.

    Attributes:
        options: What was tried.
        told: Corrections of the scored rows of each fold, shape (runs, options).
        nearness: Likeness of the nearest run that was seen, of each fold, shape (runs, options).
        losses: By split, errors of every row relative to what was measured, NaN where it is not scored, shape (n, options).
        physics: The same without any correction, shape (n,).
    """

    options: Sequence[Option]
    told: list[FloatArray] = field(default_factory=list)
    nearness: list[FloatArray] = field(default_factory=list)
    losses: dict[Split, FloatArray] = field(default_factory=dict)
    physics: dict[Split, FloatArray] = field(default_factory=dict)

    def score(self, shown: Shown, scored: IntArray, errors: FloatArray, said: FloatArray) -> None:
        """Keep what every option said of scored rows, shape (scored, options), whose logarithmic errors are these."""
        split, count = shown.fold.split, len(shown.fold.held)
        losses = self.losses.setdefault(split, np.full((count, len(self.options)), np.nan))
        losses[scored] = np.abs(np.expm1(said - errors[:, None]))
        self.physics.setdefault(split, np.full(count, np.nan))[scored] = np.abs(np.expm1(-errors))

    def best(self, hidden: BoolArray | None = None, allowed: BoolArray | None = None) -> int:
        """Return the option that does best over all splits alike, beside physics, on the rows that are not hidden, shape (n,)."""
        seen = slice(None) if hidden is None else ~hidden
        marks = np.zeros(len(self.options))
        for split, losses in self.losses.items():
            physics = self.physics[split][seen]
            counted = np.isfinite(physics)
            if counted.any():
                worse = losses[seen][counted].mean(axis=0) / physics[counted].mean()
                marks += worse + WORSE_COUNTS * np.maximum(0.0, worse - 1.0)
        return int(np.argmin(marks if allowed is None else np.where(allowed, marks, np.inf)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What was tried of each target, on closed loops and on static batches."""

    settings: Settings
    shown: Sequence[Shown]
    closed: Mapping[str, Tried]
    batches: Mapping[str, Tried]

    def ways(self) -> Mapping[str, Way]:
        """Return the way of each target that does best on all rows."""
        found = {}
        for name in TARGETS:
            closed, batches = self.closed[name], self.batches[name]
            option = closed.options[closed.best()]
            batch = batches.options[batches.best(allowed=_of_trees(batches, option.trees))]
            found[name] = Way(
                trees=self.settings.trees[option.trees],
                kernel=faded(self.settings.kernels[name][option.kernel], option.fades),
                trust=option.trust,
                batch_trust=batch.trust,
            )
        return found

    def held(self) -> Iterator[Held]:
        """Yield the predictions of the closed loops of every fold, by what does best on the rows it does not hold."""
        for index, shown in enumerate(self.shown):
            tried = [self.closed[name] for name in TARGETS]
            best = [each.best(shown.fold.held) for each in tried]
            yield Held(
                fold=shown.fold,
                log_factor=np.stack([each.told[index][:, at] for each, at in zip(tried, best, strict=True)], axis=1),
                analytic_s=shown.rows.analytic_s[shown.fold.scored],
                nearness=np.stack([each.nearness[index][:, at] for each, at in zip(tried, best, strict=True)], axis=1),
            )

    def held_batches(self) -> Iterator[Held]:
        """Yield the predictions of the static batches of every fold that holds any."""
        for index, shown in enumerate(self.shown):
            if len(shown.batches):
                columns = [self._of_batches(name, index) for name in TARGETS]
                yield Held(
                    fold=replace(shown.fold, scored=shown.batches),
                    log_factor=np.stack(columns, axis=1),
                    analytic_s=shown.rows.analytic_s[shown.batches],
                    nearness=np.zeros((len(shown.batches), 2)),
                )

    def _of_batches(self, name: str, index: int) -> FloatArray:
        hidden = self.shown[index].fold.held
        trees = self.closed[name].options[self.closed[name].best(hidden)].trees
        tried = self.batches[name]
        return tried.told[index][:, tried.best(hidden, _of_trees(tried, trees))]


def shown(fold: Fold, rows: Learnable, settings: Settings) -> Shown:
    """Return a fold with what every kind of trees says that never saw it; rows are those with the physics of the fold."""
    said = [
        [told(trees_without(rows, target, trees, settings, held=fold.held), rows.features) for trees in settings.trees]
        for target in range(len(TARGETS))
    ]
    return Shown(fold=fold, rows=rows, trees=np.transpose(np.array(said), (2, 0, 1)))


def tuned(rows: Learnable, settings: Settings, physics_of: Callable[[Fold], Learnable], listed: Sequence[Fold], said: Steps) -> Tuned:
    """Return all that is tried, on every fold; physics refitted without it where `physics_of` does so."""
    folds = []
    for index, fold in enumerate(listed):
        folds.append(shown(fold, physics_of(fold), settings))
        said(f"held out: {fold.split} {fold.name}", index + 1, len(listed))
    closed = {name: _closed(rows, target, folds, settings, said) for target, name in enumerate(TARGETS)}
    batches = {name: _batches(folds, target, settings) for target, name in enumerate(TARGETS)}
    return Tuned(settings=settings, shown=folds, closed=closed, batches=batches)


def _closed(rows: Learnable, target: int, folds: Sequence[Shown], settings: Settings, said: Steps) -> Tried:
    kernels = settings.kernels[TARGETS[target]]
    parts: list[list[tuple[FloatArray, FloatArray]]] = []
    for number in range(len(kernels)):
        parts.append(_of_kernel(rows, target, folds, settings, number))
        said(f"kriging: {TARGETS[target]}", number + 1, len(kernels))
    tried = Tried(options=_options(settings, len(kernels)))
    for index, fold in enumerate(folds):
        told_, near = (np.concatenate(each, axis=1) for each in zip(*(part[index] for part in parts), strict=True))
        tried.told.append(told_)
        tried.nearness.append(near)
        scored = fold.fold.scored
        known = np.isfinite(fold.rows.errors[scored, target])
        tried.score(fold, scored[known], fold.rows.errors[scored[known], target], told_[known])
    return tried


def _options(settings: Settings, kernels: int) -> list[Option]:
    kinds = itertools.product(range(kernels), range(len(settings.trees)), settings.trusts, settings.fades)
    return [Option(kernel=kernel, trees=trees, trust=trust, fades=fades) for kernel, trees, trust, fades in kinds]


def _of_kernel(
    rows: Learnable, target: int, folds: Sequence[Shown], settings: Settings, number: int
) -> list[tuple[FloatArray, FloatArray]]:
    """Return corrections and nearness of the scored rows of each fold by the options of one kernel, shape (runs, options)."""
    kernel = settings.kernels[TARGETS[target]][number]
    everything = told(trees_without(rows, target, settings.trees[0], settings), rows.features)
    middle = settings.trusts[len(settings.trusts) // 2]
    runs = kriging(rows, target, rows.errors[:, target] - middle * everything, kernel)
    served, options = rows.served(target), _options(settings, 1)
    found = []
    for fold in folds:
        scored, hidden = fold.fold.scored, np.flatnonzero(fold.fold.held[served])
        place = np.full(len(fold.fold.held), -1)
        place[served[hidden]] = np.arange(len(hidden))
        at = place[scored]
        trees = fold.trees[:, target]
        others = runs.without(hidden, np.column_stack([fold.rows.errors[served, target], trees[served]]))
        columns = []
        for option in options:
            near = others.believed(option.fades)
            left = near[:, 0] - option.trust * near[:, 1 + option.trees]
            columns.append(option.trust * trees[scored, option.trees] + np.where(at >= 0, left[at], 0.0))
        nearest = np.where(at >= 0, others.nearest[at], 0.0)
        found.append((np.stack(columns, axis=1), np.tile(nearest[:, None], (1, len(options)))))
    return found


def _batches(folds: Sequence[Shown], target: int, settings: Settings) -> Tried:
    kinds = itertools.product(range(len(settings.trees)), settings.batch_trusts)
    tried = Tried(options=[Option(trees=trees, kernel=0, trust=trust, fades=(0.0, 0.0)) for trees, trust in kinds])
    for fold in folds:
        said = fold.trees[fold.batches, target]
        told_ = np.stack([option.trust * said[:, option.trees] for option in tried.options], axis=1)
        tried.told.append(told_)
        known = fold.rows.usable(target)[fold.batches]
        if known.any():
            tried.score(fold, fold.batches[known], fold.rows.errors[fold.batches[known], target], told_[known])
    return tried


def _of_trees(tried: Tried, trees: int) -> BoolArray:
    return np.array([option.trees == trees for option in tried.options])
