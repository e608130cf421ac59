"""Everything a genetic search has evaluated: each candidate once, a generation at a time."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np

from budsim.core.engines.candidates import IntArray
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.batch import Admitted, admitted, judged
from budsim.core.search.configuration import Judged, together
from budsim.core.search.genome import Gene, Space
from budsim.core.search.part import SearchTask

Genome: TypeAlias = tuple[int, ...]
Values: TypeAlias = tuple[float, float, float]
Key: TypeAlias = tuple[float, ...]

# Shortfalls and costs of what may not be proposed: worse than anything that may, and finite for DEAP's crowding distance.
BARRED: Final = 2.0
NO_COST: Final = 1e12


class Archive:
    """Evaluated genomes of one part with their values and their place in the order."""

    def __init__(self, task: SearchTask, space: Space, predictor: Predictor, memory: MemoryModel) -> None:
        self.space = space
        self.evaluations = 0  # candidates that were predicted
        self.excluded: tuple[str, ...] = ()
        self._task, self._predictor, self._memory = task, predictor, memory
        self.best: Key | None = None  # figures of the best, as they are ordered; None while nothing may be proposed
        self._keys: dict[Genome, Key] = {}
        self._leaders: dict[int, Genome] = {}
        self._found: list[tuple[IntArray, Judged]] = []

    def unseen(self, genomes: Iterable[Sequence[int]]) -> list[Genome]:
        """Return these genomes, repaired, without those already evaluated and without doubles."""
        wanted = [tuple(genome) for genome in genomes]
        if not wanted:
            return []
        mended = self.space.repaired(np.array(wanted, dtype=np.int64))
        return [genome for genome in dict.fromkeys(map(tuple, mended.tolist())) if genome not in self._keys]

    def ranked(self, genomes: Sequence[Genome]) -> list[Genome]:
        """Return evaluated genomes, best first."""
        return sorted(genomes, key=self._place)

    def leaders(self, count: int) -> list[Genome]:
        """Return the best of each layout, of those layouts whose best are best."""
        return self.ranked(list(self._leaders.values()))[:count]

    def _place(self, genome: Genome) -> tuple[Key, Genome]:
        return self._keys[genome], genome

    def evaluate(self, genomes: Sequence[Genome]) -> list[Values]:
        """Return shortfall, cost and throughput of genomes that are new: one call to the memory model, one to the predictor."""
        table = np.array(genomes, dtype=np.int64)
        batch = admitted(self._task, self.space.candidates(table), self._memory)
        self.excluded = tuple(dict.fromkeys((*self.excluded, *batch.excluded)))
        values = _unfit(batch)
        keys: list[Key] = [(BARRED + short,) for short, _, _ in values]
        rows = np.flatnonzero(batch.eligible)
        self.evaluations += len(rows)
        if len(rows):
            found, kept = judged(self._task.part, batch, rows, self._predictor)
            self._found.append((table[kept], found))
            for row, value, key in zip(kept.tolist(), _values(found), _keys(found), strict=True):
                values[row], keys[row] = value, key
        self._keys |= dict(zip(genomes, keys, strict=True))
        for genome in genomes:
            leader = self._leaders.setdefault(genome[Gene.LAYOUT], genome)
            if self._place(genome) < self._place(leader):
                self._leaders[genome[Gene.LAYOUT]] = genome
        proposable = [key for key in keys if key[0] < BARRED]
        self.best = min([*proposable, *([self.best] if self.best else [])], default=None)
        return values

    def judged(self) -> Judged | None:
        """Return all that was judged, in the order in which the whole space is enumerated, None when nothing could be."""
        if not self._found:
            return None
        where = self.space.in_order(np.vstack([genomes for genomes, _ in self._found]))
        return together([found for _, found in self._found], where)


def _unfit(batch: Admitted) -> list[Values]:
    """Return the values of a batch as if none of it could be proposed: the more memory is missing, the worse."""
    over = np.clip(batch.plan.total_bytes / np.maximum(batch.plan.usable_bytes, 1.0) - 1.0, 0.0, BARRED)
    return [(BARRED + short, NO_COST, 0.0) for short in over.tolist()]


def _values(found: Judged) -> list[Values]:
    fitness, figures = found.fitness, found.predictions
    unsure = np.where(fitness.meets_slo, 0.0, np.maximum(fitness.error_rate, 1e-9))
    shortfall = (fitness.uncarried + unsure) / 2.0
    return list(
        zip(shortfall.tolist(), fitness.cost_per_million_tokens.tolist(), figures.throughput_per_user.tolist(), strict=True),
    )


def _keys(found: Judged) -> list[Key]:
    fitness, figures = found.fitness, found.predictions
    columns = (
        fitness.uncarried > 0.0,
        ~fitness.meets_slo,
        fitness.uncarried,
        fitness.error_rate,
        fitness.cost_per_million_tokens,
        -figures.throughput_per_user,
    )
    return list(zip(*(column.astype(np.float64).tolist() for column in columns), strict=True))
