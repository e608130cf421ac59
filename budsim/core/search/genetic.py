"""Genetic search on DEAP, for spaces too large to be enumerated.

DEAP's operators draw from the generator of the module `random`; it is seeded and put back here, and nowhere else in the core.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, Final

import numpy as np
from deap import base, tools

from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.batch import proposed
from budsim.core.search.direct import direct_search
from budsim.core.search.genome import GENES, Gene, Space, space_of
from budsim.core.search.infeasible import no_layout
from budsim.core.search.neighbours import neighbours
from budsim.core.search.part import PartResult, PartStatus, SearchSettings, SearchTask, Way
from budsim.core.search.population import Archive, Genome

SEARCH_NAME: Final = Way.GENETIC.value
WEIGHTS: Final = (-1.0, -1.0, 1.0)  # LLD 6.2: less shortfall from the SLOs, less cost, more throughput per user
NEIGHBOUR_SHARE: Final = 0.75  # of a generation's children that are neighbours of the best layouts' best: what is found is locally best
SCOUTS: Final = 24  # candidates looked at for each of the first population: a batch of hundreds takes hardly longer than one of fifty
BROODS: Final = 3  # times that a population is bred for one generation, before any genome will do
GENE_SHARE: Final = 0.5  # of a mate's genes that are swapped
MUTATED_SHARE: Final = 1.5 / GENES  # of a mutant's genes that are drawn anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What a search has found so far.

    Attributes:
        number: 0 for the first.
        evaluations: Candidates predicted.
        best: Its figures as they are ordered, None while nothing may be proposed.
    """

    number: int
    evaluations: int
    best: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who looks on: `report` is told of every generation, `is_late` ends a search that takes too long."""

    report: Callable[[Generation], None] = lambda _: None
    is_late: Callable[[], bool] = lambda: False


class _Fitness(base.Fitness):  # type: ignore[misc]  # DEAP has no types
    weights = WEIGHTS


class _Individual(list[int]):
    """One genome with DEAP's fitness."""

    def __init__(self, genome: Sequence[int]) -> None:
        super().__init__(genome)
        self.fitness = _Fitness()


def genetic_search(task: SearchTask, predictor: Predictor, memory: MemoryModel, *, watch: Watch | None = None) -> PartResult:
    """Return the best that a population finds in a bounded number of evaluations; the same seed finds the same.

    Memory is checked for every candidate, a generation is one prediction, and no candidate is evaluated twice. A search ends when
    `convergence` generations and one of all knobs around the best brought nothing better, when there is nothing new, or at `generations`.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
        watch: Who looks on.

    Source:
        LLD 6.2; NSGA-II, Deb et al. 2002, in DEAP's selNSGA2 with the non-dominated sorting of Fortin et al. 2013.
    """
    if not task.layouts:
        return no_layout(task.part)
    archive = Archive(task, space_of(task.part, task.layouts), predictor, memory)
    with _seeded(task.part.seed):
        generations, converged = _evolved(archive, task.part.settings, watch or Watch())
    found = archive.judged()
    if found is None:
        return direct_search(task, predictor, memory)
    result = proposed(task.part, found, predictor)
    return replace(
        result,
        search=SEARCH_NAME,
        evaluations=archive.evaluations,
        generations=generations,
        converged=converged or result.status is not PartStatus.FOUND,
        excluded=archive.excluded,
    )


def _evolved(archive: Archive, settings: SearchSettings, watch: Watch) -> tuple[int, bool]:
    """Return how many generations followed the first, and whether the search came to its own end."""
    toolbox = _toolbox(archive.space, settings)
    population = _survivors(toolbox, _evaluated(archive, _scouts(archive, settings.population)), archive, settings)
    best, stale = archive.best, 0
    for number in range(settings.generations):
        watch.report(Generation(number=number, evaluations=archive.evaluations, best=best))
        if watch.is_late():
            return number, False
        settled = stale >= settings.convergence
        children = _around(archive, settings) if settled else _children(toolbox, population, archive, settings)
        if not children:
            return number, True
        population = _survivors(toolbox, population + _evaluated(archive, children), archive, settings)
        if settled and archive.best == best:
            return number + 1, True
        stale = stale + 1 if archive.best == best else 0
        best = archive.best
    return settings.generations, False


def _toolbox(space: Space, settings: SearchSettings) -> Any:
    toolbox = base.Toolbox()
    toolbox.register("mate", tools.cxUniform, indpb=GENE_SHARE)
    toolbox.register("mutate", tools.mutUniformInt, low=[0] * GENES, up=list(space.most), indpb=MUTATED_SHARE)
    toolbox.register("parents", tools.selTournamentDCD)
    toolbox.register("survive", tools.selNSGA2, nd="log")
    toolbox.register("mates", partial(_chance, settings.crossover))
    toolbox.register("mutates", partial(_chance, settings.mutation))
    return toolbox


def _evaluated(archive: Archive, genomes: Sequence[Genome]) -> list[_Individual]:
    individuals = [_Individual(genome) for genome in genomes]
    for individual, values in zip(individuals, archive.evaluate(genomes), strict=True):
        individual.fitness.values = values
    return individuals


def _scouts(archive: Archive, population: int) -> list[Genome]:
    """Return the first candidates looked at: layouts and concurrencies drawn evenly, with the version's own knobs and with the leanest."""
    space = archive.space
    usual, lean = space.loads, space.leanest()
    drawn = sorted(random.sample(range(len(usual)), min(len(usual), SCOUTS * population // 2)))
    return archive.unseen(np.vstack((usual[drawn], lean[drawn])).tolist())


def _random_genome(space: Space) -> Genome:
    return tuple(random.randint(0, most) for most in space.most)


def _children(toolbox: Any, population: list[_Individual], archive: Archive, settings: SearchSettings) -> list[Genome]:
    """Return genomes that nobody looked at: neighbours of the best, offspring, and where these do not suffice, any."""
    wanted = settings.population - _elite_size(settings)
    leaders = archive.leaders(max(1, _elite_size(settings)))
    beside = archive.unseen(moved for genome in leaders for moved in neighbours(archive.space, genome))
    new = dict.fromkeys(beside[: int(NEIGHBOUR_SHARE * wanted)])
    for _ in range(BROODS):
        if len(new) < wanted:
            new |= dict.fromkeys(archive.unseen(_offspring(toolbox, population)))
    if len(new) < wanted:
        new |= dict.fromkeys(archive.unseen([_random_genome(archive.space) for _ in range(wanted)]))
    return list(new)[:wanted]


def _around(archive: Archive, settings: SearchSettings) -> list[Genome]:
    """Return what nobody looked at around the best of each leading layout: every knob, at its load and the next ones.

    One move at a time does not get there when two knobs gain only together.
    """
    space, ranges = archive.space, [range(archive.space.most[gene] + 1) for gene in (Gene.EXACT, Gene.STEP, Gene.CACHE)]
    leaders = archive.leaders(max(1, _elite_size(settings)))
    loads = [
        (genome[Gene.LAYOUT], users)
        for genome in leaders
        for users in range(max(0, genome[Gene.USERS] - 1), min(space.most[Gene.USERS], genome[Gene.USERS] + 1) + 1)
    ]
    return archive.unseen([(*load, *knobs) for load in loads for knobs in product(*ranges)])


def _offspring(toolbox: Any, population: list[_Individual]) -> list[Genome]:
    """Return children of the population: parents by tournament, mated in pairs, then mutated."""
    count = len(population) - len(population) % 4  # what DEAP's tournament takes
    parents = [list(each) for each in (toolbox.parents(population, count) if count else population)]
    for one, other in zip(parents[::2], parents[1::2], strict=False):
        if toolbox.mates():
            toolbox.mate(one, other)
    return [tuple(toolbox.mutate(each)[0] if toolbox.mutates() else each) for each in parents]


def _survivors(toolbox: Any, candidates: list[_Individual], archive: Archive, settings: SearchSettings) -> list[_Individual]:
    """Return the next population: the elite by the order of the answer, the rest by NSGA-II."""
    by_genome = {tuple(each): each for each in candidates}
    elite = archive.ranked(list(by_genome))[: _elite_size(settings)]
    chosen = [by_genome[genome] for genome in elite]
    taken = set(elite)
    rest = [each for genome, each in by_genome.items() if genome not in taken]
    selected = toolbox.survive(chosen + rest, len(candidates))  # all, so that everyone has the crowding distance that parents are chosen by
    others = [each for each in selected if tuple(each) not in taken]
    return chosen + others[: settings.population - len(chosen)]


def _elite_size(settings: SearchSettings) -> int:
    return min(int(settings.elite * settings.population), settings.population - 1)


def _chance(probability: float) -> bool:
    return random.random() < probability


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generator that DEAP draws from, and leave it afterwards as it was found."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
