"""What an engine makes of its share of a device, worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.defaults import started_sequences, started_step_tokens
from budsim.core.engines.releases import version_key
from budsim.core.engines.spec import EngineKind
from budsim.core.errors import InvalidInput
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.visible import visible_share
from budsim.core.memory.cache import sequence_bytes, token_bytes
from budsim.core.memory.changes import smallest_changes
from budsim.core.memory.fraction import static_fraction
from budsim.core.memory.profiling import profiling_of
from budsim.core.memory.question import Question, answer
from budsim.core.memory.stages import rotary_bytes, stage_weight_bytes
from budsim.core.model.catalogue import catalogue as catalogue_of_models
from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.config_rotary import rotary_positions
from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, Precision
from budsim.core.model.weights import weight_bytes
from tests.support.physics_shapes import candidate, device, gqa, llama_8b, mixtral, scenario

GIB = 2**30
H100 = catalogue()["H100-SXM-80GB"]


def at(version, *, engine=EngineKind.VLLM, **rest):
    where = scenario(engine=engine, **rest)
    return replace(where, engine=replace(where.engine, version=version))


def asked(**rest):
    return answer(Question(model=llama_8b(), device="H100-SXM-80GB", max_model_len=8192, **rest))


def test_the_budget_is_a_share_of_what_cuda_reports_not_of_what_the_card_is_called():
    # 79.19 GiB of 81,559 MiB; 0.9 of it is 71.27 GiB
    assert visible_share(H100) * H100.memory_bytes / GIB == pytest.approx(79.19, abs=0.01)
    assert asked().budget_gib == pytest.approx(71.27, abs=0.01)


def test_a_device_nobody_knows_is_taken_at_the_figure_that_was_sent():
    assert visible_share(device(name="no such card")) == 1.0


def test_what_is_left_of_the_budget_is_the_cache():
    # 71.27 − 14.99 weights − 1,024 · 128,256 · 39 B = 4.77 sampling − 0.13 outside torch = 51.38 GiB; / (16 · 131,072 B) = 26,307 blocks
    found = asked()
    assert found.kv_cache_gib == pytest.approx(51.38, abs=0.02)
    assert found.kv_cache_tokens == pytest.approx(26_307 * 16, abs=200)
    assert found.max_concurrency == pytest.approx(found.kv_cache_tokens / 8192, rel=1e-3)
    assert found.fits


def test_an_engine_told_no_share_takes_that_of_its_release():
    assert [asked(engine_version=version).share for version in ("0.11.2", "0.19.1", "0.20.0", "0.33.0")] == [0.9, 0.9, 0.92, 0.92]


def test_the_share_that_is_told_is_the_one_the_budget_is_made_of():
    found = answer(Question(model=llama_8b(), device="XEON-8480+", device_memory_bytes=256 * GIB, max_model_len=8192))
    assert found.share * 256 == pytest.approx(found.budget_gib)


def test_graphs_are_taken_off_the_cache_from_0_21_on():
    before, since = (asked(engine_version=version, share=0.9) for version in ("0.19.0", "0.21.0"))
    assert before.kv_cache_gib - since.kv_cache_gib == pytest.approx(since.cuda_graph_gib)


def test_a_release_between_two_lines_has_what_the_earlier_one_says():
    assert profiling_of(at("0.9.1").engine).context_counted
    assert not profiling_of(at("0.9.2").engine).context_counted
    assert profiling_of(at("0.10.0").engine).windows_kept  # tenth, not first
    assert profiling_of(at("0.0.1").engine) == profiling_of(at("0.7.3").engine)


def gemma_like(full=10, sliding=52, window=1024):
    dense = FeedForwardSpec(intermediate_size=21_504)
    kinds = ((sliding, window), (full, None))
    return replace(
        llama_8b(),
        blocks=tuple(LayerBlock(count=count, attention=gqa(kv_heads=16, window=size), feed_forward=dense) for count, size in kinds),
    )


def test_layers_with_a_window_are_padded_to_groups_of_the_rarer_kind():
    # groups of 10: one full, ceil(52/10) = 6 sliding, so 70 layers · 2 · 16 · 128 · 2 B; before 0.10 all 62 are alike
    rows = Candidates.from_rows([candidate()])
    assert token_bytes(at("0.11.2", model=gemma_like()), rows)[0] == 70 * 8192
    assert token_bytes(at("0.9.1", model=gemma_like()), rows)[0] == 62 * 8192


def test_a_sequence_holds_a_window_and_the_step_being_computed():
    # one full group: 32,768/16 = 2,048 blocks; six sliding: (1,023 + 2,048)/16 → 192 + 1 = 193; 10 layers · 16 tokens · 8,192 B a block
    rows = Candidates.from_rows([candidate(max_num_batched_tokens=2048)])
    found = sequence_bytes(at("0.11.2", model=gemma_like()), rows, 32_768.0)
    assert found[0] == 10 * 16 * 8192 * (2_048 + 6 * 193)


def test_before_the_hybrid_manager_a_window_saves_nothing():
    rows = Candidates.from_rows([candidate()])
    assert sequence_bytes(at("0.9.1", model=gemma_like()), rows, 32_768.0)[0] == 62 * 8192 * 32_768


def test_kinds_nearly_as_many_are_padded_up_not_cut():
    # 26 and 24 differ by less than a quarter: two groups of 26
    rows = Candidates.from_rows([candidate()])
    assert token_bytes(at("0.11.2", model=gemma_like(full=24, sliding=26)), rows)[0] == 52 * 8192


def test_sglang_holds_eight_tenths_of_the_tokens_in_its_window_pool():
    rows = Candidates.from_rows([candidate(block_size=1)])
    found = token_bytes(at("0.5.9", engine=EngineKind.SGLANG, model=gemma_like()), rows)
    assert found[0] == pytest.approx((10 + 0.8 * 52) * 8192)


def mla(heads=16):
    attention = AttentionSpec(
        kind=AttentionKind.MLA,
        query_heads=heads,
        kv_heads=1,
        head_dim=128,
        value_head_dim=128,
        rope_head_dim=64,
        kv_lora_rank=512,
    )
    return replace(llama_8b(), blocks=(LayerBlock(count=27, attention=attention, feed_forward=FeedForwardSpec(intermediate_size=10_944)),))


def test_a_latent_cache_is_the_same_on_every_device():
    rows = Candidates.from_rows([candidate(), candidate(tensor_parallel=8)])
    assert list(token_bytes(at("0.11.2", model=mla()), rows)) == [27 * 576 * 2, 27 * 576 * 2]


def indexed():
    block = mla().blocks[0]
    sparse = replace(block.attention, q_lora_rank=1536, index_heads=32, index_head_dim=128)
    return replace(mla(), blocks=(replace(block, attention=sparse),))


def test_a_sparse_index_adds_its_key_and_scale_and_an_8_bit_latent_its_scales_and_rotary_part():
    # of each token: 576 values of 2 B, or 656 B in 8 bits (512 + 16 of scales + 64 · 2); either way 128 + 4 B for the index
    rows = Candidates.from_rows([candidate(), candidate(tensor_parallel=8), candidate(kv_precision=Precision.FP8)])
    assert list(token_bytes(at("0.19.0", model=indexed()), rows)) == [27 * (1152 + 132), 27 * (1152 + 132), 27 * (656 + 132)]
    found = sequence_bytes(at("0.19.0", model=indexed()), rows, 1600.0)
    assert list(found) == [1600 * 27 * (1152 + 132), 1600 * 27 * (1152 + 132), 1600 * 27 * (656 + 132)]


def test_a_sparse_index_stands_whole_on_every_device():
    rows = Candidates.from_rows([candidate(tensor_parallel=8)])
    plain = replace(indexed(), blocks=(replace(indexed().blocks[0], attention=replace(indexed().blocks[0].attention, index_heads=0)),))
    index = 1536 * 32 * 128 + 4096 * 128
    assert stage_weight_bytes(indexed(), rows)[0] - stage_weight_bytes(plain, rows)[0] == pytest.approx(7 / 8 * 27 * index * 2)


def test_a_stretched_rotary_table_holds_more_positions_than_the_model_takes():
    # Gemma 3 4B: eight times 131,072 positions for its full layers, once for those with a window, 256 wide, 2 B
    model = catalogue_model("google/gemma-3-4b-it")
    assert rotary_bytes(model) == (8 + 1) * 131_072 * 256 * 2
    assert rotary_bytes(llama_8b()) == llama_8b().max_context_length * 128 * 2


@pytest.mark.parametrize(
    ("scaling", "rows"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 4}}, 4),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, 1),
        ({"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0}, "sliding_attention": {"rope_type": "default"}}}, 9),
        ({"rope_scaling": {"type": "linear", "factor": "4"}}, 1),
        ({"rope_scaling": None}, 1),
    ],
    ids=["linear", "yarn", "two kinds", "no number", "none"],
)
def test_rotary_tables_are_read_from_either_spelling(scaling, rows):
    assert rotary_positions(scaling, context_length=1024) == rows * 1024


def test_a_state_is_kept_twice_where_prefixes_are_cached():
    model = catalogue_model("Qwen/Qwen3.6-35B-A3B")
    rows = Candidates.from_rows([replace(candidate(), prefix_caching=cached) for cached in (False, True)])
    once, twice = sequence_bytes(at("0.24.0", model=model), rows, 131_072.0)
    state = sequence_bytes(at("0.24.0", model=model), rows, 1.0)
    assert twice - once == pytest.approx(state[1] - state[0])
    assert twice > once
    assert len(set(sequence_bytes(at("0.14.1", model=model), rows, 131_072.0))) == 1


def test_latent_projections_and_routers_stand_whole_on_every_device():
    one, eight = stage_weight_bytes(mla(), Candidates.from_rows([candidate(), candidate(tensor_parallel=8)]))
    latent = 27 * 4096 * (512 + 64) * 2
    assert eight > one / 8 + 7 / 8 * latent
    split, routed = stage_weight_bytes(mixtral(), Candidates.from_rows([candidate(), candidate(tensor_parallel=8)]))
    assert routed > split / 8 + 7 / 8 * 32 * 8 * 4096 * 2


def test_mxfp4_experts_are_loaded_in_whole_tiles():
    # of 61 GiB stored, vLLM 0.10.1 loaded 65.97: 2,880 wide experts are 2,944 (tiles of 128) × 3,072 (tiles of 256) wide
    model = catalogue_model("openai/gpt-oss-120b")
    loaded = stage_weight_bytes(model, Candidates.from_rows([candidate()]))[0]
    assert loaded / GIB == pytest.approx(65.97, abs=0.2)
    assert loaded > 1.07 * weight_bytes(model)


@pytest.mark.parametrize(
    ("name", "version", "degree", "share"),
    [
        ("B200-180GB", "0.5.10", 4, 0.852),  # (183,359 − 512 − 16,384·1.5 − 1,024 − 512 − 464)/183,359, as a log of it prints
        ("H100-SXM-80GB", "0.5.9", 1, 0.83),  # chunks, graphs and the rest are 13,440 MiB: (81,559 − 13,440)/81,559 = 0.835
        ("H100-SXM-80GB", "0.4.6", 8, 0.81),
        ("RTX5090-32GB", "0.4.7", 1, 0.88),
    ],
)
def test_sglang_chooses_its_static_share_as_its_release_does(name, version, degree, share):
    card = catalogue()[name]
    where = at(version, engine=EngineKind.SGLANG, on=card)
    tokens = started_step_tokens(EngineKind.SGLANG, version_key(version), card, context_tokens=8192)
    rows = Candidates.from_rows([candidate(tensor_parallel=degree, max_num_batched_tokens=tokens)])
    assert static_fraction(where, rows)[0] == pytest.approx(share, abs=0.006)


def test_defaults_are_those_of_the_release_and_the_device():
    assert started_sequences(EngineKind.VLLM, (0, 11, 2), H100) == 1024
    assert started_sequences(EngineKind.VLLM, (0, 7, 3), H100) == 256
    assert started_sequences(EngineKind.VLLM, (0, 11, 2), catalogue()["A100-SXM-80GB"]) == 256
    assert started_step_tokens(EngineKind.VLLM, (0, 7, 3), H100, context_tokens=20_000) == 20_000
    assert started_step_tokens(EngineKind.VLLM, (0, 7, 3), H100, context_tokens=131_072) == 2048
    assert started_step_tokens(EngineKind.VLLM, (0, 27, 0), catalogue()["MI300X-192GB"], context_tokens=8192) == 16_384


def test_the_smallest_changes_named_are_enough_and_the_next_smaller_length_is_the_longest():
    question = Question(model=llama_8b(), device="RTX4090-24GB")
    assert not answer(question).fits
    named = smallest_changes(question)
    length = int(next(change for change in named if "max-model-len" in change).split()[-1])
    assert answer(replace(question, max_model_len=length)).fits
    assert not answer(replace(question, max_model_len=length + 1024)).fits
    assert answer(replace(question, tensor_parallel=int(next(change for change in named if "--tp" in change).split()[-1]))).fits


@pytest.mark.parametrize(
    "wrong", [{"device": "no such card"}, {"engine": "tgi"}, {"dtype": "int3"}, {"kv_dtype": "fp7"}, {"device": "XEON-8480+"}]
)
def test_what_is_not_known_is_named_with_a_remedy(wrong):
    with pytest.raises(InvalidInput) as refused:
        answer(Question(**{"model": llama_8b(), "device": "H100", "max_model_len": 8192, **wrong}))
    assert refused.value.remedy
    assert next(iter(wrong.values())) in refused.value.message


def test_plan_and_start_up_are_one_model():
    from budsim.core.memory.analytic import AnalyticMemory
    from budsim.core.memory.startup import startup

    where, rows = scenario(on=H100), Candidates.from_rows([candidate(), candidate(tensor_parallel=4, max_num_seqs=1024)])
    planned = AnalyticMemory().plan(where, rows)
    started = startup(where, rows, share=np.full(2, 0.9), length_tokens=8192)
    assert list(planned.weights_bytes) == list(started.fixed.weights_bytes)
    assert list(planned.activation_bytes) == list(started.fixed.activation_bytes)
    assert list(planned.overhead_bytes) == list(started.fixed.overhead_bytes)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_every_catalogued_decoder_has_an_answer_whose_parts_make_its_budget(engine):
    for model in catalogue_of_models().values():
        if model.kind is not ModelKind.DECODER:
            continue
        found = answer(Question(model=model, device="B200-180GB", engine=engine, tensor_parallel=8, max_model_len=4096))
        assert found.weights_gib > 0.0, model.model_id
        assert found.kv_cache_gib < found.budget_gib, model.model_id
        assert found.fits is (found.kv_cache_gib >= 0.0 and found.max_concurrency >= 1.0), model.model_id
        grows = found.kv_bytes_per_token > 0.0  # pure state-space models count no tokens
        assert (found.kv_cache_tokens > 0) is (grows and found.kv_cache_gib > 0.01), model.model_id


def test_an_encoder_has_room_but_no_cache():
    found = answer(Question(model=catalogue_model("BAAI/bge-m3"), device="L4"))
    assert (found.fits, found.kv_cache_gib, found.kv_cache_tokens) == (True, 0.0, 0)
