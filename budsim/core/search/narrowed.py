"""Narrowed search: physics goes through the whole space, and a trained model decides among what can still be best.

What the trained model says of one candidate of a layout, load and width of the cache it says nearly of its other knobs: what measured
runs tell does not depend on these. So one of each kind is predicted, physics tells how the others differ from it, and those that then
look best are predicted themselves. Nothing is proposed that was not.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import IntArray
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictions, Predictor
from budsim.core.search.batch import MAX_PARETO, Admitted, admitted, carriers, front_of, judged, proposed, refusal
from budsim.core.search.columns import figures_of, finite, take, with_figures
from budsim.core.search.configuration import Judged, together
from budsim.core.search.different import different
from budsim.core.search.fitness import judge, order
from budsim.core.search.genome import Gene, space_of
from budsim.core.search.part import Part, PartResult, SearchTask, Way
from budsim.core.search.space import replicas_held_each, scenario_of

SEARCH_NAME: Final = Way.NARROWED.value
# Of 300 generated parts the best of the whole space was among the first 7 that look best; the rest is for models that differ more by knob.
FINALISTS: Final = 512
SPARE: Final = 2  # times the proposals, and the points of the front, that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    """What physics says of the eligible candidates of a part, shape (n,).

    Attributes:
        rows: Their places in the batch, ascending.
        of: Which kind each is of: kinds differ in layout, load or width of the cache, those of one in other knobs alone.
        first: The first of each kind, shape (kinds,): the version's own knobs, where they may be proposed.
    """

    part: Part
    batch: Admitted
    rows: IntArray
    of: IntArray
    first: IntArray
    physics: Predictions


def narrowed_search(task: SearchTask, predictor: Predictor, memory: MemoryModel, *, physics: Predictor) -> PartResult:
    """Return the best of a space, most of which is only estimated.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
        physics: Says the same at once, and how the knobs of one layout and load differ.
    """
    space = space_of(task.part, task.layouts)
    genomes = space.every()
    batch = admitted(task, space.candidates(genomes), memory)
    refused = refusal(task, batch, memory)
    if refused is not None:
        return refused
    survey = _survey(task.part, batch, genomes, physics)
    asked = survey.rows[survey.first]
    told, of_told = judged(task.part, batch, asked, predictor)
    hopeful = np.setdiff1d(_hopeful(survey, told, of_told), asked)
    if len(hopeful):
        found, of_found = judged(task.part, batch, hopeful, predictor)
        told = together((told, found), np.argsort(np.concatenate((of_told, of_found))))
    result = proposed(task.part, told, predictor)
    return replace(result, search=SEARCH_NAME, evaluations=len(asked) + len(hopeful), excluded=batch.excluded)


def _survey(part: Part, batch: Admitted, genomes: IntArray, physics: Predictor) -> _Survey:
    rows = np.flatnonzero(batch.eligible)
    kept = genomes[rows]
    shape = [genomes[:, gene].max() + 1 for gene in (Gene.LAYOUT, Gene.USERS, Gene.CACHE)]
    codes = np.ravel_multi_index((kept[:, Gene.LAYOUT], kept[:, Gene.USERS], kept[:, Gene.CACHE]), shape)
    _, first, of = np.unique(codes, return_index=True, return_inverse=True)
    predictions = physics.predict(scenario_of(part), batch.candidates.take(rows))
    return _Survey(part=part, batch=batch, rows=rows, of=of.reshape(-1), first=first, physics=predictions)


def _hopeful(survey: _Survey, told: Judged, of_told: IntArray) -> IntArray:
    """Return the rows of the batch that may be the best, or stand on the front, by what was told of one of each kind."""
    estimates = _estimates(survey, told.predictions, np.searchsorted(survey.rows, of_told))
    real = np.flatnonzero(finite(estimates))
    kept, figures = survey.batch.candidates.take(survey.rows[real]), take(estimates, real)
    fitness = judge(survey.part, kept, figures, max_replicas=replicas_held_each(survey.part, kept))
    looks = Judged(candidates=kept, plan=take(survey.batch.plan, survey.rows[real]), predictions=figures, fitness=fitness)
    ranked = carriers(order(fitness, kept, throughput_per_user=figures.throughput_per_user), fitness)
    leaders = ranked[np.sort(np.unique(survey.of[real][ranked], return_index=True)[1])]
    proposals = different(leaders, looks, limit=SPARE * survey.part.settings.top_k)
    points = front_of(leaders, looks, limit=SPARE * MAX_PARETO)
    chosen = np.concatenate((ranked[:FINALISTS], np.array([*proposals, *points], dtype=np.int64)))
    return np.asarray(survey.rows[real[chosen]])


def _estimates(survey: _Survey, told: Predictions, places: IntArray) -> Predictions:
    """Return physics times what was told of each kind over what physics says of the same candidate; as it is where nothing was told."""
    table = figures_of(survey.physics)
    factors = np.ones((len(table), len(survey.first)))
    of_kind = table[:, places]  # 0 where a model answers with no further token
    factors[:, survey.of[places]] = np.divide(figures_of(told), of_kind, out=np.ones_like(of_kind), where=of_kind != 0.0)
    return with_figures(survey.physics, table * factors[:, survey.of])
