"""Candidates that differ from one another by one move."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from budsim.core.search.genome import Gene, Space
from budsim.core.search.part import Layout

NEAREST_LAYOUTS: Final = 2  # on either side: of equal TP, of equal PP, and in the list of layouts, which is ordered by devices


def neighbours(space: Space, genome: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield what one move makes of a genome: the next concurrency, another value of a knob, another layout for as many users, or for as
    many users on each device.
    """
    yield from _along(space, genome)
    for gene in (Gene.EXACT, Gene.STEP, Gene.CACHE):
        for value in (genome[gene] - 1, genome[gene] + 1):
            if 0 <= value <= space.most[gene]:
                yield _with(genome, gene, value)
    for layout in layout_moves(space.layouts)[genome[Gene.LAYOUT]]:
        moved = _with(genome, Gene.LAYOUT, layout)
        yield moved
        yield _with(moved, Gene.USERS, _as_loaded(space, genome, layout))


@lru_cache(maxsize=64)
def layout_moves(layouts: tuple[Layout, ...]) -> tuple[tuple[int, ...], ...]:
    """Return where one move leads from each layout: the next of equal TP or of equal PP, and those of about as many devices."""
    degrees = [(layout.tensor_parallel, layout.pipeline_parallel) for layout in layouts]
    return tuple(_moves(degrees, index) for index in range(len(degrees)))


def _moves(degrees: Sequence[tuple[int, int]], index: int) -> tuple[int, ...]:
    found: list[int] = []
    for kept, varied in ((0, 1), (1, 0)):
        alike = sorted((each[varied], other) for other, each in enumerate(degrees) if each[kept] == degrees[index][kept])
        place = alike.index((degrees[index][varied], index))
        found += [other for _, other in alike[max(0, place - NEAREST_LAYOUTS) : place + NEAREST_LAYOUTS + 1]]
    found += range(max(0, index - NEAREST_LAYOUTS), min(len(degrees), index + NEAREST_LAYOUTS + 1))
    return tuple(other for other in dict.fromkeys(found) if other != index)


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
