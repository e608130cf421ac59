"""A prompt whose beginning is cached: its linear work is saved, its attention still reads what is held."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.latency.operators import prefill_attention_work
from budsim.core.latency.scheduler import cached_tokens
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.workload import LoadMode
from tests.support.physics_shapes import candidate, gqa, llama_8b, scenario

PREDICTOR = HeuristicPredictor(memory=AnalyticMemory())


def held(share, *rows, tokens=1000, model=None):
    where = scenario(model=model or llama_8b(), input_tokens=tokens, output_tokens=100)
    where = replace(where, workload=replace(where.workload, cached_share=share))
    columns = Candidates.from_rows(rows or [candidate()])
    return np.broadcast_to(cached_tokens(where, columns), len(columns)).tolist()


def answered(share, row, *, mode=LoadMode.CLOSED_LOOP, tokens=4000):
    where = scenario(input_tokens=tokens, output_tokens=100)
    rate = 1.0 if mode is LoadMode.OPEN_LOOP else None
    where = replace(where, workload=replace(where.workload, cached_share=share, mode=mode, request_rate_per_s=rate))
    return PREDICTOR.predict(where, Candidates.from_rows([row]))


def test_whole_blocks_are_held_and_never_the_last_token():
    assert held(0.5) == [496.0]  # 31 blocks of 16 in 500
    assert held(1.0) == [992.0]  # of 999 tokens
    assert held(1.0, tokens=1) == [0.0]
    assert held(1.0, replace(candidate(), block_size=32), tokens=64) == [32.0]  # of 63 tokens


def test_nothing_is_held_without_hits_without_the_cache_or_by_an_encoder():
    on, off = candidate(), replace(candidate(), prefix_caching=False)
    assert held(0.0, on) == [0.0]
    assert held(0.5, off, on) == [0.0, 496.0]
    assert held(0.5, on, model=llama_8b(kind=ModelKind.ENCODER)) == [0.0]


def test_new_tokens_meet_the_cached_ones_in_attention():
    columns = Candidates.from_rows([candidate()])
    found = prefill_attention_work(llama_8b(), columns, prompt=np.array([200.0]), chunks=np.array([2.0]), cached=np.array([800.0]))
    # 4·32·128·(200·800 + 200²/2)·32 layers = 9.4372e10 FLOP; a token is 131,072 B: 1,000 of them once and a half, 800 a half time more
    assert found.flop[0] == pytest.approx(4 * 32 * 128 * 180_000 * 32)
    assert found.moved_bytes[0] == pytest.approx(131_072 * (1000 * 1.5 + 800 * 0.5))


def test_a_window_bounds_what_new_tokens_meet():
    model = llama_8b()
    narrow = replace(model, blocks=(replace(model.blocks[0], attention=gqa(window=100)),))
    columns = Candidates.from_rows([candidate()])
    found = prefill_attention_work(narrow, columns, prompt=np.array([200.0]), chunks=np.array([1.0]), cached=np.array([800.0]))
    assert found.flop[0] == pytest.approx(4 * 32 * 128 * 200 * 100 * 32)


@pytest.mark.parametrize("mode", list(LoadMode))
def test_a_cached_prefix_never_slows_and_mends_the_first_token(mode):
    row = candidate(concurrency=8)
    cold, warm, warmer = (answered(share, row, mode=mode) for share in (0.0, 0.5, 0.9))
    assert cold.ttft_s[0] > warm.ttft_s[0] > warmer.ttft_s[0]
    assert cold.tpot_s[0] >= warm.tpot_s[0] >= warmer.tpot_s[0]
    off = replace(row, prefix_caching=False)
    assert answered(0.5, off, mode=mode).e2e_s[0] == cold.e2e_s[0]
