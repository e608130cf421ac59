"""An engine started with the emitted arguments has the cache that was planned for it: over models, devices, layouts and loads."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.adapters.wire.recommendations import configuration_body
from budsim.core.engines.candidates import Candidates
from budsim.core.engines.compatibility import compatible_engines
from budsim.core.engines.images import EngineImages
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.memory.question import KV_DTYPES
from budsim.core.memory.startup import startup
from budsim.core.model.catalogue import catalogue_model
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.search.configuration import Judged, configuration
from budsim.core.search.fitness import judge
from budsim.core.search.genome import space_of
from budsim.core.search.space import layouts_for, replicas_held_each, scenario_of
from tests.support.search_fakes import FakePredictor, make_group, make_load, make_part

MODELS = ("meta-llama/Llama-3.1-8B", "mistralai/Mixtral-8x7B-v0.1", "deepseek-ai/DeepSeek-V3", "google/gemma-2-9b", "openai/gpt-oss-20b")
DEVICES = ("H100-SXM-80GB", "A100-SXM-40GB", "L4-24GB", "RTX4090-24GB", "B200-180GB", "MI300X-192GB")


def part_of(kind, model_id, device):
    model, accelerator = catalogue_model(model_id), catalogue()[device]
    (engine,) = compatible_engines(model, accelerator.device_type, endpoints=(), parameters=10**10, images=EngineImages(), restrict=(kind,))
    group = make_group(nodes=(8, 8), device_type=accelerator.device_type)
    group = replace(group, accelerator=accelerator, device_name=device, memory_bytes=accelerator.memory_bytes)
    part = make_part(group=group, engine=engine, load=make_load(concurrency=300, output_tokens=512))
    return replace(part, model=model)


def started(part, row):
    """Return the candidates as the emitted arguments say, the share of the device, and the length."""
    args = row.args
    if part.engine.kind is EngineKind.VLLM:
        share, tokens, sequences, length = (
            args[name] for name in ("gpu-memory-utilization", "max-num-batched-tokens", "max-num-seqs", "max-model-len")
        )
        degrees = args["tensor-parallel-size"], args["pipeline-parallel-size"]
    else:
        share, tokens, sequences, length = (
            args[name] for name in ("mem-fraction-static", "chunked-prefill-size", "max-running-requests", "context-length")
        )
        degrees = args["tp-size"], args["pp-size"]
    return {"tensor_parallel": degrees[0], "pipeline_parallel": degrees[1], "max_num_seqs": sequences, "max_num_batched_tokens": tokens}, (
        share,
        length,
        args["kv-cache-dtype"],
    )


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.SGLANG])
@pytest.mark.parametrize("device", DEVICES)
def test_the_engine_as_it_is_started_has_the_cache_that_was_planned(kind, device):
    checked = 0
    for model_id in MODELS:
        part = part_of(kind, model_id, device)
        space = space_of(part, layouts_for(part))
        where, rows = scenario_of(part), space.candidates(space.loads)
        plan = AnalyticMemory().plan(where, rows)
        found = FakePredictor().predict(where, rows)
        verdict = judge(part, rows, found, max_replicas=replicas_held_each(part, rows))
        judged = Judged(candidates=rows, plan=plan, predictions=found, fitness=verdict)
        for index in np.flatnonzero(plan.fits)[::7]:
            one = configuration(part, judged, int(index))
            body = configuration_body(RankedConfiguration(part=part, configuration=one, placement=()))
            planned = one.candidate
            fields, (share, length, kv_dtype) = started(part, body)
            as_started = replace(planned, **fields)
            answer = startup(where, Candidates.from_rows([as_started]), share=np.array([share]), length_tokens=length)
            assert (as_started.tensor_parallel, as_started.pipeline_parallel) == (planned.tensor_parallel, planned.pipeline_parallel)
            assert as_started.max_num_seqs >= planned.concurrency
            assert length >= where.workload.sequence_tokens
            assert 0.0 < share <= 0.95
            assert KV_DTYPES.get(kv_dtype, planned.kv_precision) is planned.kv_precision
            assert answer.kv_cache_bytes[0] >= one.memory.kv_cache_bytes * (1 - 2e-3) - 2e-4 * where.memory_bytes, (model_id, planned)
            checked += 1
    assert checked > 20 or device in ("L4-24GB", "RTX4090-24GB")
