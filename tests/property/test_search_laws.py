"""Laws of the search: fronts, order, the blacklist, sameness."""

from dataclasses import asdict, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from budsim.core.hardware.topology import max_replicas
from budsim.core.search.direct import direct_search
from budsim.core.search.evaluate import narrow
from budsim.core.search.exhaustive import exhaustive_search
from budsim.core.search.fitness import order_key
from budsim.core.search.genetic import genetic_search
from budsim.core.search.genome import Gene, space_of
from budsim.core.search.pareto import front, undominated
from budsim.core.search.part import PartResult, PartStatus, SearchTask
from budsim.core.search.space import layouts_for, replicas_held_by
from budsim.core.slo import Slo
from tests.support.search_fakes import GB, FakeMemory, FakePredictor, as_out_of_memory, make_entry, make_group, make_load, make_part

POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=40)  # few values, so that ties and doubles are common

LOADS = st.one_of(
    st.builds(make_load, concurrency=st.integers(1, 3000), output_tokens=st.integers(1, 400)),
    st.builds(make_load, concurrency=st.none(), request_rate_per_s=st.floats(0.01, 200.0)),
)
SLOS = st.builds(
    Slo,
    ttft_s=st.one_of(st.none(), st.floats(0.01, 5.0)),
    e2e_s=st.one_of(st.none(), st.floats(0.1, 60.0)),
    throughput_per_user=st.one_of(st.none(), st.floats(1.0, 200.0)),
    min_probability=st.floats(0.0, 0.99),
)
GROUPS = st.builds(
    make_group, nodes=st.lists(st.integers(0, 8), min_size=1, max_size=3).map(tuple), memory_gb=st.sampled_from([16, 24, 48, 80])
)
PARTS = st.builds(make_part, group=GROUPS, load=LOADS, slo=SLOS, top_k=st.integers(1, 8))


def beats(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


@given(POINTS)
def test_the_front_is_exactly_what_no_other_point_beats(points):
    expected = [not any(beats(other, point) for other in points) for point in points]
    assert undominated(np.array(points, dtype=float).reshape(-1, 3)).tolist() == expected


@given(POINTS.filter(len), st.integers(2, 20))
def test_a_thinned_front_stays_on_the_front_and_keeps_its_ends(points, limit):
    table = np.array(points, dtype=float)
    whole = front(cost=table[:, 0], e2e_s=table[:, 1], throughput_per_user=-table[:, 2], limit=len(points))
    thin = front(cost=table[:, 0], e2e_s=table[:, 1], throughput_per_user=-table[:, 2], limit=limit)
    assert len(thin) <= limit
    assert set(thin.tolist()) <= set(whole.tolist())
    assert (thin[0], thin[-1]) == (whole[0], whole[-1])


def planned(part):
    """Return what the direct search looks at."""
    space = space_of(part, layouts_for(part))
    return space.candidates(np.vstack((space.loads, space.leanest())))


def searched(part, entries=()):
    return direct_search(SearchTask(part=part, layouts=layouts_for(part), blacklist=tuple(entries)), FakePredictor(), FakeMemory())


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_every_answer_is_in_the_space_fits_differs_and_stands_in_order(part):
    result = searched(part)
    if result.status is not PartStatus.FOUND:
        assert result.reason and result.remedy
        return
    space = planned(part)
    allowed = {tuple(asdict(space.row(index)).values()) for index in range(len(space))}
    found = result.configurations
    assert 1 <= len(found) <= part.settings.top_k
    assert {tuple(asdict(item.candidate).values()) for item in found} <= allowed
    assert len({item.config_id for item in found}) == len(found)
    assert [order_key(item, part) for item in found] == sorted(order_key(item, part) for item in found)
    for item in (*found, *result.pareto):
        assert item.memory.total_bytes <= item.memory.usable_bytes
        assert item.memory.total_bytes <= item.memory.gpu_memory_utilization * part.group.accelerator.memory_bytes * (1 + 1e-12)
        assert 0.0 <= item.error_rate <= 1.0


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_the_first_is_the_best_of_the_whole_space_judged_one_by_one(part):
    result = searched(part)
    if result.status is not PartStatus.FOUND:
        return
    one_each = [searched_alone(part, index) for index in range(len(planned(part)))]
    best = min(order_key(item, part) for item in one_each if item is not None)
    assert order_key(result.configurations[0], part) == best


def searched_alone(part, index):
    """Judge one candidate of the space with nothing beside it."""
    from budsim.core.search.configuration import Judged, configuration
    from budsim.core.search.fitness import judge
    from budsim.core.search.space import replicas_held_each, scenario_of

    row = planned(part).take(np.array([index]))
    plan, figures = FakeMemory().plan(scenario_of(part), row), FakePredictor().predict(scenario_of(part), row)
    if not plan.fits[0]:
        return None
    verdict = judge(part, row, figures, max_replicas=replicas_held_each(part, row))
    return configuration(part, Judged(candidates=row, plan=plan, predictions=figures, fitness=verdict), 0)


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_what_meets_every_slo_stands_before_what_does_not(part):
    met = [item.meets_slo for item in searched(part).configurations]
    assert met == sorted(met, reverse=True)


@settings(max_examples=60, deadline=None)
@given(PARTS, st.lists(st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(1, 2), st.booleans(), st.floats(2.0, 60.0)), max_size=4))
def test_no_barred_layout_or_size_gets_through(part, failures):
    entries = []
    for tensor, pipeline, out_of_memory, size_gb in failures:
        entry = make_entry(part, tensor_parallel=tensor, pipeline_parallel=pipeline, memory_bytes=size_gb * GB)
        entries.append(as_out_of_memory(entry) if out_of_memory else entry)
    result = searched(part, entries)
    for item in (*result.configurations, *result.pareto):
        for entry in entries:
            assert (item.candidate.tensor_parallel, item.candidate.pipeline_parallel) != (entry.tensor_parallel, entry.pipeline_parallel)
            assert not entry.out_of_memory or item.memory.total_bytes < entry.memory_bytes
    assert set(result.excluded) <= {entry.config_id for entry in entries}
    if not result.excluded:
        assert result == searched(part)


@settings(max_examples=30, deadline=None)
@given(PARTS)
def test_the_same_part_has_the_same_answer(part):
    assert searched(part) == searched(replace(part))


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_narrowing_first_changes_no_answer(part):
    narrowed = narrow(part, (), FakeMemory(), now_s=0.0)
    whole = searched(part)
    if isinstance(narrowed, SearchTask):
        assert direct_search(narrowed, FakePredictor(), FakeMemory()) == whole
    else:
        assert (narrowed.status, narrowed.reason) == (whole.status, whole.reason)


SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.builds(replace, st.just(make_part().settings), population=st.integers(4, 20), generations=st.integers(1, 8))


def both(part):
    """Search the whole space, and a population of it."""
    task = SearchTask(part=part, layouts=layouts_for(part), blacklist=())
    return exhaustive_search(task, FakePredictor(), FakeMemory()), genetic_search(task, FakePredictor(), FakeMemory())


@settings(max_examples=40, deadline=None)
@given(PARTS, SMALL, SEEDS)
def test_whatever_genetic_search_proposes_is_in_the_space_and_fits(part, bounds, seed):
    _, found = both(replace(part, settings=bounds, seed=seed))
    space = space_of(part, layouts_for(part))
    every = space.candidates(space.every())
    allowed = {every.row(index) for index in range(len(every))}
    for item in (*found.configurations, *found.pareto):
        assert item.candidate in allowed
        assert item.memory.total_bytes <= item.memory.usable_bytes


@settings(max_examples=40, deadline=None)
@given(PARTS, SMALL, SEEDS)
def test_the_whole_space_never_holds_less_than_a_population_finds(part, bounds, seed):
    whole, found = both(replace(part, settings=bounds, seed=seed))
    if found.status is PartStatus.FOUND:
        assert order_key(whole.configurations[0], part) <= order_key(found.configurations[0], part)


@settings(max_examples=20, deadline=None)
@given(PARTS, SEEDS)
def test_the_same_seed_has_the_same_bytes(part, seed):
    one, other = (TypeAdapter(PartResult).dump_json(both(replace(part, seed=seed))[1]) for _ in range(2))
    assert one == other


@settings(max_examples=40, deadline=None)
@given(PARTS)
def test_two_genomes_are_never_the_same_candidate(part):
    space = space_of(part, layouts_for(part))
    genomes = space.every()
    rows = space.candidates(genomes)
    assert len({rows.row(index) for index in range(len(rows))}) == len(rows) <= space.upper_size
    if len(rows):
        assert (space.repaired(genomes) == genomes).all()
        assert (space.in_order(genomes) == np.arange(len(genomes))).all()
        assert (genomes <= np.array(space.most)).all()
        assert (rows.max_num_seqs >= rows.concurrency).all()
        assert (rows.max_num_batched_tokens >= rows.max_num_seqs).all()


@settings(max_examples=40, deadline=None)
@given(PARTS, st.data())
def test_any_genome_is_repaired_to_one_of_the_space(part, data):
    space = space_of(part, layouts_for(part))
    if not space.layouts:
        return
    drawn = [data.draw(st.integers(0, most)) for most in space.most]
    mended = space.repaired(np.array([drawn]))[0].tolist()
    assert mended in space.every().tolist()
    assert mended[Gene.LAYOUT] == drawn[Gene.LAYOUT]


@given(GROUPS)
def test_many_layouts_hold_as_many_replicas_as_each_alone(group):
    part = make_part(group=group)
    layouts = layouts_for(part)
    alone = [max_replicas(group, tensor_parallel=layout.tensor_parallel, pipeline_parallel=layout.pipeline_parallel) for layout in layouts]
    assert replicas_held_by(part, layouts).tolist() == alone
