"""The whole candidate space of a part, its candidates written as rows of small integers."""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np

from budsim.core.engines.candidates import PRECISION_CODES, BoolArray, Candidates, IntArray
from budsim.core.engines.choices import Choices, choices_of
from budsim.core.engines.knobs import default_candidates
from budsim.core.engines.spec import Scenario
from budsim.core.search.part import Layout, Part
from budsim.core.search.space import concurrency_grid, replicas_held_by, scenario_of


class Gene(IntEnum):
    """Columns of a genome."""

    LAYOUT = 0  # index of the layout
    USERS = 1  # index of the concurrency of one replica on the ladder
    EXACT = 2  # 1: max_num_seqs is the concurrency itself
    STEP = 3  # index of the step
    CACHE = 4  # index of the cache's width


GENES: Final = len(Gene)


@dataclass(frozen=True, kw_only=True)  # without slots: what is derived is remembered
class Space:
    """Layouts × concurrency × the knobs that predictions tell apart; two genomes are never the same candidate.

    Attributes:
        grids: Concurrencies of each layout, ascending.
    """

    scenario: Scenario
    layouts: tuple[Layout, ...]
    choices: Choices
    grids: tuple[tuple[int, ...], ...]

    @cached_property
    def ladder(self) -> tuple[int, ...]:
        """Every concurrency that any layout is planned for, ascending."""
        return tuple(sorted({users for grid in self.grids for users in grid}))

    @cached_property
    def most(self) -> tuple[int, ...]:
        """The largest value of each gene; the least is 0."""
        exact = int(self.choices.exact_sequences)
        return len(self.layouts) - 1, len(self.ladder) - 1, exact, len(self.choices.steps) - 1, len(self.choices.kv_precisions) - 1

    @cached_property
    def rungs(self) -> tuple[tuple[int, ...], ...]:
        """Places on the ladder of each layout's concurrencies."""
        place = {users: index for index, users in enumerate(self.ladder)}
        return tuple(tuple(place[users] for users in grid) for grid in self.grids)

    @cached_property
    def _snapped(self) -> IntArray:
        """For each layout and place on the ladder the nearest place that the layout is planned for."""
        ladder = np.array(self.ladder, dtype=np.int64)
        place = {users: index for index, users in enumerate(self.ladder)}
        snapped = [[place[users] for users in nearest(grid, ladder).tolist()] for grid in self.grids]
        return np.array(snapped, dtype=np.int64).reshape(len(self.grids), len(ladder))

    @cached_property
    def _degrees(self) -> IntArray:
        return np.array([(layout.tensor_parallel, layout.pipeline_parallel) for layout in self.layouts], dtype=np.int64).reshape(-1, 2)

    @property
    def upper_size(self) -> int:
        """At most so many candidates; those whose default max_num_seqs is the concurrency anyway are counted twice."""
        knobs = len(self.choices.steps) * len(self.choices.kv_precisions) * (2 if self.choices.exact_sequences else 1)
        return knobs * sum(len(grid) for grid in self.grids)

    @cached_property
    def loads(self) -> IntArray:
        """Every layout with each of its concurrencies and the version's own knobs, shape (n, GENES)."""
        lengths = [len(grid) for grid in self.grids]
        genomes = np.zeros((sum(lengths), GENES), dtype=np.int64)
        genomes[:, Gene.LAYOUT] = np.repeat(np.arange(len(self.layouts)), lengths)
        genomes[:, Gene.USERS] = [rung for rungs in self.rungs for rung in rungs]
        genomes[:, Gene.STEP] = self.choices.default_step
        return genomes

    def every(self) -> IntArray:
        """Return all genomes, those with the version's own knobs first, shape (n, GENES)."""
        variants = [
            (exact, step, cache)
            for exact in range(2 if self.choices.exact_sequences else 1)
            for step in range(len(self.choices.steps))
            for cache in range(len(self.choices.kv_precisions))
        ]
        variants.sort(key=lambda variant: (variant != (0, self.choices.default_step, 0), variant))
        genomes = np.tile(self.loads, (len(variants), 1))
        genomes[:, Gene.EXACT :] = np.repeat(np.array(variants, dtype=np.int64), len(self.loads), axis=0)
        return genomes[self._distinct(genomes)]

    def leanest(self) -> IntArray:
        """Return every layout and concurrency with the knobs that take least memory, shape (n, GENES)."""
        genomes = self.loads.copy()
        genomes[:, Gene.STEP] = self.choices.leanest_step
        genomes[:, Gene.EXACT] = int(self.choices.exact_sequences)
        genomes[:, Gene.CACHE] = len(self.choices.kv_precisions) - 1
        return self._plainly(genomes)

    def repaired(self, genomes: IntArray) -> IntArray:
        """Return genomes with each concurrency the nearest that its layout is planned for, and one genome for one candidate."""
        mended = genomes.copy()
        mended[:, Gene.USERS] = self._snapped[genomes[:, Gene.LAYOUT], genomes[:, Gene.USERS]]
        return self._plainly(mended)

    def in_order(self, genomes: IntArray) -> IntArray:
        """Return the indices that bring genomes into the order of `every`, shape (n,)."""
        knobs = genomes[:, Gene.EXACT :]
        unusual = (knobs != (0, self.choices.default_step, 0)).any(axis=1)
        columns = (genomes[:, Gene.USERS], genomes[:, Gene.LAYOUT], *knobs.T[::-1], unusual)
        return np.lexsort(columns)

    def candidates(self, genomes: IntArray) -> Candidates:
        """Return the candidates of genomes, in their order."""
        usual = self._usual(genomes)
        step = genomes[:, Gene.STEP]
        tokens = np.array([each.tokens or 0 for each in self.choices.steps], dtype=np.int64)[step]
        codes = np.array([PRECISION_CODES.index(width) for width in self.choices.kv_precisions], dtype=np.int64)
        return replace(
            usual,
            max_num_seqs=np.where(genomes[:, Gene.EXACT] == 1, usual.concurrency, usual.max_num_seqs),
            max_num_batched_tokens=np.where(tokens > 0, tokens, usual.max_num_batched_tokens),
            chunked_prefill=np.array([each.chunked for each in self.choices.steps], dtype=np.bool_)[step],
            kv_precision=codes[genomes[:, Gene.CACHE]],
        )

    def _usual(self, genomes: IntArray) -> Candidates:
        degrees = self._degrees[genomes[:, Gene.LAYOUT]]
        return default_candidates(
            self.scenario,
            tensor_parallel=degrees[:, 0],
            pipeline_parallel=degrees[:, 1],
            concurrency=self._users(genomes),
        )

    @cached_property
    def _spare(self) -> IntArray:
        """The default max_num_seqs of each layout, where the concurrency is lower, shape (layouts,)."""
        one = np.ones(len(self.layouts), dtype=np.int64)
        degrees = self._degrees
        return default_candidates(
            self.scenario, tensor_parallel=degrees[:, 0], pipeline_parallel=degrees[:, 1], concurrency=one
        ).max_num_seqs

    def _plainly(self, genomes: IntArray) -> IntArray:
        """Return genomes, changed in place, with one way of writing each candidate."""
        genomes[~self._distinct(genomes), Gene.EXACT] = 0
        return genomes

    def _distinct(self, genomes: IntArray) -> BoolArray:
        """Return which genomes are not written in another way: an exact max_num_seqs where the default is the same is none."""
        users = self._users(genomes)
        distinct: BoolArray = (genomes[:, Gene.EXACT] == 0) | (self._spare[genomes[:, Gene.LAYOUT]] > users)
        return distinct

    def _users(self, genomes: IntArray) -> IntArray:
        return np.array(self.ladder, dtype=np.int64)[genomes[:, Gene.USERS]]


def nearest(grid: tuple[int, ...], users: IntArray) -> IntArray:
    """Return the entry of an ascending grid that is nearest by ratio to each number, the smaller of two."""
    values = np.array(grid, dtype=np.int64)
    above = np.clip(np.searchsorted(values, users), 0, len(values) - 1)
    below = np.maximum(above - 1, 0)
    closer = users * users <= values[below] * values[above]
    return np.where(closer & (users < values[above]), values[below], values[above])


def space_of(part: Part, layouts: tuple[Layout, ...]) -> Space:
    """Return the space of a part over these layouts."""
    scenario = scenario_of(part)
    return Space(
        scenario=scenario,
        layouts=layouts,
        choices=choices_of(scenario, quantized=part.quantized),
        grids=tuple(concurrency_grid(part, max_replicas=replicas) for replicas in replicas_held_by(part, layouts).tolist()),
    )
