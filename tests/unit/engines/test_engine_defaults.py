"""Knobs of a release at their defaults, as its own source has them."""

from dataclasses import replace

import pytest

from budsim.core.engines.defaults import block_tokens, graph_sequences, started_sequences, started_step_tokens
from budsim.core.engines.knobs import default_candidate
from budsim.core.engines.releases import version_key
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import AttentionKind, ModelKind
from tests.support.physics_shapes import device, llama_8b, scenario

VLLM, SGLANG = EngineKind.VLLM, EngineKind.SGLANG
CPU = device(device_type=DeviceType.CPU, memory_bytes=256e9, name="Xeon")
GAUDI = device(device_type=DeviceType.HPU, memory_bytes=128e9, name="Gaudi3")


def on(name):
    return catalogue()[name]


def started_with(version, where=None, *, kind=VLLM, users=1, tensor_parallel=1, **changes):
    placed = scenario(engine=kind, on=where or on("H100-SXM-80GB"), **changes)
    placed = replace(placed, engine=replace(placed.engine, version=version))
    return default_candidate(placed, tensor_parallel=tensor_parallel, pipeline_parallel=1, concurrency=users)


def with_mla():
    model = llama_8b()
    block = model.blocks[0]
    latent = replace(block.attention, kind=AttentionKind.MLA, kv_heads=0, kv_lora_rank=512, rope_head_dim=64)
    return replace(model, blocks=(replace(block, attention=latent),))


@pytest.mark.parametrize(
    ("version", "where", "tokens", "sequences"),
    [
        ("0.11.2", on("H100-SXM-80GB"), 8192, 1024),
        ("0.11.2", on("A100-SXM-80GB"), 2048, 256),
        ("0.8.5", on("A100-SXM-80GB"), 8192, 1024),  # the exception for A100 came with 0.9
        ("0.11.2", on("L40S-48GB"), 2048, 256),
        ("0.11.2", on("MI300X-192GB"), 8192, 1024),
        ("0.11.2", on("B200-180GB"), 8192, 1024),
        ("0.33.0", on("B200-180GB"), 16_384, 1024),
        ("0.33.0", on("H100-SXM-80GB"), 8192, 1024),
        ("0.11.2", GAUDI, 2048, 256),
        ("0.11.2", CPU, 2048, 128),
        ("0.7.3", on("H100-SXM-80GB"), 4096, 256),  # V0 takes a prompt whole
    ],
)
def test_vllm_takes_steps_and_sequences_by_device_and_release(version, where, tokens, sequences):
    assert started_step_tokens(VLLM, version_key(version), where, context_tokens=4096) == tokens
    assert started_sequences(VLLM, version_key(version), where) == sequences


@pytest.mark.parametrize(
    ("version", "name", "tokens"),
    [
        ("0.5.9", "T4-16GB", 2048),
        ("0.5.9", "L40S-48GB", 4096),
        ("0.4.9", "L40S-48GB", 8192),
        ("0.5.9", "H100-SXM-80GB", 8192),
        ("0.5.9", "B200-180GB", 16_384),
    ],
)
def test_sglang_cuts_prompts_by_device_and_release(version, name, tokens):
    assert started_step_tokens(SGLANG, version_key(version), on(name), context_tokens=4096) == tokens


@pytest.mark.parametrize(("name", "alone", "in_fours"), [("L40S-48GB", 32, 160), ("H100-SXM-80GB", 256, 512), ("B200-180GB", 512, 512)])
def test_sglang_captures_more_graphs_for_larger_groups(name, alone, in_fours):
    assert graph_sequences(on(name), tensor_parallel=1) == alone
    assert graph_sequences(on(name), tensor_parallel=4) == in_fours


@pytest.mark.parametrize(
    ("where", "heads", "latent"),
    [
        (on("H100-SXM-80GB"), 16, 64),
        (on("B200-180GB"), 16, 128),
        (on("A100-SXM-80GB"), 16, 16),
        (on("MI300X-192GB"), 16, 1),
        (on("MI210-64GB"), 16, 16),
        (CPU, 128, 128),
        (GAUDI, 128, 128),
    ],
)
def test_blocks_are_those_of_the_attention_backend(where, heads, latent):
    assert block_tokens(VLLM, (0, 11), where, llama_8b()) == heads
    assert block_tokens(VLLM, (0, 11), where, with_mla()) == latent
    assert block_tokens(SGLANG, (0, 5), where, llama_8b()) == 1


def test_versions_that_take_no_block_of_one_token_are_not_told_of_one():
    assert block_tokens(VLLM, (0, 7, 3), on("MI300X-192GB"), with_mla()) == 16
    assert block_tokens(VLLM, (0, 8, 5), on("MI300X-192GB"), with_mla()) == 1


def test_v1_cuts_prompts_and_keeps_prefixes_and_v0_does_neither():
    v1, v0 = started_with("0.11.2"), started_with("0.7.3")
    assert (v1.chunked_prefill, v1.prefix_caching) == (True, True)
    assert (v0.chunked_prefill, v0.prefix_caching) == (False, False)


def test_v0_cuts_long_contexts_on_cuda_only():
    assert started_with("0.7.3", input_tokens=40_000).chunked_prefill
    assert not started_with("0.7.3", on("MI300X-192GB"), input_tokens=40_000).chunked_prefill


def test_idle_sequences_are_not_planned_beyond_a_few_hundred():
    assert started_with("0.11.2").max_num_seqs == 256
    assert started_with("0.11.2", users=700).max_num_seqs == 700


def test_a_cpu_takes_its_defaults_for_every_socket():
    row = started_with("0.11.2", CPU, tensor_parallel=2)
    assert (row.max_num_seqs, row.max_num_batched_tokens) == (256, 4096)


def test_a_step_holds_a_whole_prompt_that_is_pooled():
    row = started_with("0.11.2", on("L40S-48GB"), model=llama_8b(kind=ModelKind.EMBEDDING), input_tokens=9000)
    assert row.max_num_batched_tokens == 10_010  # int(1.1 · (9000 + 100))
