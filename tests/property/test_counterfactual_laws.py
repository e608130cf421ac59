"""A change that is proposed is enough: the request that follows it is answered."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.search.change import JudgedBy, in_words
from budsim.core.search.counterfactual import Judges, changes_for, falls_short
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import PartResult
from budsim.core.search.strategy import find
from budsim.core.slo import Slo
from tests.support.changed_parts import answers, changed
from tests.support.search_fakes import FakeMemory, FakePredictor, make_engine, make_group, make_load, make_part

NODES = st.lists(st.integers(1, 8), min_size=1, max_size=3).map(tuple)
PROBABILITIES = st.sampled_from((0.5, 0.5, 0.9))
LOADS = st.one_of(
    st.integers(1, 2000).map(lambda users: make_load(concurrency=users)),
    st.floats(0.1, 60.0).map(lambda rate: make_load(concurrency=None, request_rate_per_s=rate)),
)
REAL = HeuristicPredictor(memory=AnalyticMemory())


def slos(ttft_s, e2e_s, rate):
    return st.builds(
        Slo,
        ttft_s=st.one_of(st.none(), st.floats(*ttft_s)),
        e2e_s=st.one_of(st.none(), st.floats(*e2e_s)),
        throughput_per_user=st.one_of(st.none(), st.floats(*rate)),
        min_probability=PROBABILITIES,
    )


def proposed(part, predictor, memory):
    task = narrow(part, (), memory, now_s=0.0)
    if isinstance(task, PartResult):
        return ()
    result = find(task, predictor, memory, physics=predictor)
    changes = changes_for(task, result, Judges(predictor=predictor, physics=predictor, memory=memory))
    assert not changes or falls_short(part, result)
    return changes


@settings(max_examples=150, deadline=None)
@given(
    nodes=NODES,
    load=LOADS,
    slo=slos((0.05, 1.0), (1.0, 8.0), (10.0, 80.0)),
    memory_gb=st.sampled_from((24, 40, 80)),
    pipeline=st.booleans(),
)
def test_every_change_that_is_proposed_is_enough_by_itself(nodes, load, slo, memory_gb, pipeline):
    group = make_group(nodes=nodes, memory_gb=memory_gb)
    part = make_part(group=group, load=load, slo=slo, engine=make_engine(pipeline=pipeline))
    for change in proposed(part, FakePredictor(), FakeMemory()):
        assert answers(changed(part, change), FakePredictor(), FakeMemory()), change


@settings(max_examples=25, deadline=None)
@given(nodes=NODES, load=LOADS, slo=slos((0.02, 1.0), (0.5, 8.0), (10.0, 150.0)), name=st.sampled_from(("H100-SXM-80GB", "L40S-48GB")))
def test_the_same_holds_on_the_analytic_model(nodes, load, slo, name):
    group, accelerator = make_group(nodes=nodes), catalogue()[name]
    group = replace(group, accelerator=accelerator, memory_bytes=accelerator.memory_bytes, device_name=name)
    part = make_part(group=group, load=load, slo=slo)
    for change in proposed(part, REAL, AnalyticMemory()):
        assert answers(changed(part, change), REAL, AnalyticMemory()), change


@settings(max_examples=60, deadline=None)
@given(
    nodes=NODES,
    memory_gb=st.sampled_from((8, 10, 16)),
    weights_gb=st.sampled_from((16, 60, 140)),
    model_lengths=st.tuples(st.integers(100, 4000), st.integers(1, 2000)),
)
def test_a_change_of_what_did_not_fit_makes_one_user_fit(nodes, memory_gb, weights_gb, model_lengths):
    load = replace(make_load(concurrency=1, output_tokens=model_lengths[1]), input_tokens=model_lengths[0])
    part = make_part(group=make_group(nodes=nodes, memory_gb=memory_gb), load=load)
    memory = FakeMemory(weights_bytes=weights_gb * 1e9)
    refused = narrow(part, (), memory, now_s=0.0)
    if isinstance(refused, PartResult):
        assert all(change.judged_by is JudgedBy.MEMORY for change in refused.changes)
        assert in_words(refused.changes) in refused.remedy
        for change in refused.changes:
            assert not isinstance(narrow(changed(part, change), (), memory, now_s=0.0), PartResult), change
