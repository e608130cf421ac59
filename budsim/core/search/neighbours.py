"""Candidates that differ from one another by one move."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from budsim.core.search.genome import Gene, Space

LAYOUT_MOVES: Final = (-2, -1, 1, 2)  # places in the list of layouts, which is ordered by devices


def neighbours(space: Space, genome: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield what one move makes of a genome: the next concurrency, another value of a knob, another layout for as many users, or for as
    many users on each device.
    """
    yield from _along(space, genome)
    for gene in (Gene.EXACT, Gene.STEP, Gene.CACHE):
        for value in (genome[gene] - 1, genome[gene] + 1):
            if 0 <= value <= space.most[gene]:
                yield _with(genome, gene, value)
    for move in LAYOUT_MOVES:
        layout = genome[Gene.LAYOUT] + move
        if 0 <= layout <= space.most[Gene.LAYOUT]:
            moved = _with(genome, Gene.LAYOUT, layout)
            yield moved
            yield _with(moved, Gene.USERS, _as_loaded(space, genome, layout))


def _along(space: Space, genome: Sequence[int]) -> Iterator[tuple[int, ...]]:
    rungs = space.rungs[genome[Gene.LAYOUT]]
    place = bisect_left(rungs, genome[Gene.USERS])
    for beside in (place - 1, place + 1):
        if 0 <= beside < len(rungs):
            yield _with(genome, Gene.USERS, rungs[beside])


def _as_loaded(space: Space, genome: Sequence[int], layout: int) -> int:
    """Return the place on the ladder at which another layout has as many users on each device."""
    before, after = space.layouts[genome[Gene.LAYOUT]], space.layouts[layout]
    devices = after.tensor_parallel * after.pipeline_parallel / (before.tensor_parallel * before.pipeline_parallel)
    return min(bisect_left(space.ladder, space.ladder[genome[Gene.USERS]] * devices), space.most[Gene.USERS])


def _with(genome: Sequence[int], gene: Gene, value: int) -> tuple[int, ...]:
    return (*genome[:gene], value, *genome[gene + 1 :])
