"""Parameter counts and KV bytes, worked by hand or published."""

import pytest

from budsim.core.errors import UnsupportedModel
from budsim.core.model.catalogue import catalogue, catalogue_model
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.kv_cache import kv_bytes_per_sequence, kv_bytes_per_token
from budsim.core.model.parameters import active_parameter_count, parameter_count
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelKind, ModelSpec
from budsim.core.model.weights import weight_bytes
from tests.support.plain_config import TINY


def _model(name: str) -> ModelSpec:
    found = catalogue_model(name)
    assert found is not None
    return found


def test_llama_3_1_8b_has_the_parameters_its_shape_gives() -> None:
    # a layer: q 4096² + kv 2·4096·1024 + o 4096² = 41,943,040; mlp 3·4096·14336 = 176,160,768; norms 2·4096 → 218,112,000
    # 32 layers 6,979,584,000 + embedding and head 2·128256·4096 = 1,050,673,152 + last norm 4096
    assert parameter_count(_model("meta-llama/Llama-3.1-8B")) == 6_979_584_000 + 1_050_673_152 + 4096


def test_mixtral_8x7b_has_the_parameters_its_shape_gives() -> None:
    # a layer: attention as above 41,943,040; 8 experts of 3·4096·14336 = 176,160,768 → 1,409,286,144; router 8·4096 = 32,768;
    # norms 8,192 → 1,451,270,144; 32 of them 46,440,644,608 + embedding and head 2·32000·4096 = 262,144,000 + last norm 4096
    model = _model("mistralai/Mixtral-8x7B-v0.1")
    assert parameter_count(model) == 46_440_644_608 + 262_144_000 + 4096
    # a token meets 2 of 8 experts: 32 · 1,409,286,144 · 6/8 = 33,822,867,456 are idle
    assert active_parameter_count(model) == parameter_count(model) - 33_822_867_456


def test_qwen3_30b_a3b_has_the_parameters_its_shape_gives() -> None:
    # head_dim 128 is not 2048 / 32: q 2048·4096 = 8,388,608; kv 2·2048·512 = 2,097,152; o 8,388,608; norms of q and k 2·128 = 256;
    # router 128·2048 = 262,144; 128 experts of 3·2048·768 = 4,718,592 → 603,979,776; norms 4,096 → 623,120,640 a layer
    # 48 of them 29,909,790,720 + embedding and head 2·151936·2048 = 622,329,856 + last norm 2048
    model = _model("Qwen/Qwen3-30B-A3B")
    assert parameter_count(model) == 29_909_790_720 + 622_329_856 + 2048
    # a token meets 8 of 128 experts: 48 · 603,979,776 · 120/128 = 27,179,089,920 are idle
    assert active_parameter_count(model) == parameter_count(model) - 27_179_089_920


def test_tied_embeddings_are_counted_once() -> None:
    # Llama-3.2-1B: q and o 2·2048², kv 2·2048·512, mlp 3·2048·8192, norms 4,096 → 60,821,504 a layer, 16 of them 973,144,064;
    # one embedding of 128256·2048 = 262,668,288 and the last norm 2048
    assert parameter_count(_model("meta-llama/Llama-3.2-1B")) == 973_144_064 + 262_668_288 + 2048


@pytest.mark.parametrize(
    ("name", "kv_bytes"),
    [
        ("meta-llama/Llama-3.1-8B", 131_072),  # 32 layers · 2 · 8 heads · 128 · 2 B
        ("mistralai/Mixtral-8x7B-v0.1", 131_072),  # 32 · 2 · 8 · 128 · 2
        ("Qwen/Qwen3-30B-A3B", 98_304),  # 48 · 2 · 4 · 128 · 2: head_dim is not hidden / heads
        ("deepseek-ai/DeepSeek-V3", 70_272),  # 61 · (512 + 64) · 2: one latent
    ],
)
def test_a_token_takes_the_kv_bytes_its_shape_gives(name: str, kv_bytes: int) -> None:
    assert float(kv_bytes_per_token(_model(name), tensor_parallel=1, bytes_per_value=2.0)) == kv_bytes


def test_kv_heads_are_replicated_beyond_their_number() -> None:
    model = _model("meta-llama/Llama-3.1-8B")
    eight, sixteen = (float(kv_bytes_per_token(model, tensor_parallel=split, bytes_per_value=2.0)) for split in (8, 16))
    assert eight == sixteen == 131_072 / 8


def test_sliding_layers_keep_at_most_their_window() -> None:
    model = _model("openai/gpt-oss-20b")
    # 12 layers keep 128 tokens, 12 keep all 1000: 2 · 8 · 64 · 2 B a token and layer
    expected = 2 * 8 * 64 * 2 * (12 * 128 + 12 * 1000)
    assert float(kv_bytes_per_sequence(model, tokens=1000.0, tensor_parallel=1, bytes_per_value=2.0)) == expected


@pytest.mark.parametrize("method", ["fp8", "int8", "awq", "gptq", "nf4", "mxfp4", "nvfp4"])
def test_quantised_weights_are_never_larger(method: str) -> None:
    for model in catalogue().values():
        if model.quantization is None:
            assert weight_bytes(quantize(model, method)) < weight_bytes(model)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="num_attention_heads"):
        model_from_config({"hidden_size": 8, "vocab_size": 8, "num_hidden_layers": 1}, model_id="x")


def test_experts_that_pass_a_token_on_are_neither_weights_nor_work() -> None:
    # LongCat-Flash: 28 layers of two attentions and two dense feed-forwards each, with 512 real experts beside the first of them;
    # of the 12 it is routed to, 12 · 512/768 = 8 are real
    model = _model("meituan-longcat/LongCat-Flash-Chat")
    assert [(block.count, block.feed_forward.intermediate_size) for block in model.blocks] == [(28, 12_288), (28, 12_288)]
    assert [(block.feed_forward.experts, block.feed_forward.experts_per_token) for block in model.blocks] == [(512, 8), (0, 0)]
    assert float(kv_bytes_per_token(model, tensor_parallel=1, bytes_per_value=2.0)) == 56 * (512 + 64) * 2
    assert any("pass them on" in note for note in model.notes)


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("GPT2LMHeadModel", ModelKind.DECODER),
        ("InternVLChatModel", ModelKind.DECODER),
        ("Qwen2_5OmniModel", ModelKind.DECODER),
        ("UltravoxModel", ModelKind.DECODER),
        ("Qwen2Model", ModelKind.EMBEDDING),
        ("LlamaBidirectionalModel", ModelKind.EMBEDDING),
        ("Qwen3ForSequenceClassification", ModelKind.EMBEDDING),
    ],
)
def test_an_architecture_called_a_model_decodes_where_it_has_a_head_for_it(architecture: str, kind: ModelKind) -> None:
    assert model_from_config({**TINY, "architectures": [architecture]}, model_id="org/m").kind is kind


def test_a_catalogued_gpt2_keeps_a_cache() -> None:
    assert _model("openai-community/gpt2").kind is ModelKind.DECODER


def test_a_dense_residual_beside_experts_is_as_wide_as_the_model() -> None:
    # Snowflake Arctic: 480B of which 17B meet a token (model card); 35 layers · 3 · 7,168² of it stand beside the experts
    shape = {"hidden_size": 7168, "intermediate_size": 4864, "num_hidden_layers": 35, "num_attention_heads": 56, "num_key_value_heads": 8}
    routed = {"num_local_experts": 128, "num_experts_per_tok": 2, "use_residual": True, "vocab_size": 32_000}
    model = model_from_config({"model_type": "arctic", **shape, **routed}, model_id="Snowflake/snowflake-arctic-base")
    assert parameter_count(model) == pytest.approx(480e9, rel=0.005)
    assert active_parameter_count(model) == pytest.approx(17e9, abs=0.5e9)


def test_the_middle_layer_of_every_run_attends_where_a_config_tells_the_step_of_its_states() -> None:
    # PLaMo 2 8B: 16 of 32 layers · 2 · 4 heads · 128 · 2 B
    widths = {"hidden_size": 4096, "hidden_size_per_head": 128, "intermediate_size": 16_384, "num_hidden_layers": 32, "vocab_size": 100_000}
    heads = {
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "mamba_step": 2,
        "mamba_d_state": 64,
        "mamba_d_conv": 4,
        "mamba_num_heads": 64,
    }
    model = model_from_config({"model_type": "plamo2", **widths, **heads, "tie_word_embeddings": True}, model_id="pfnet/plamo-2-8b")
    assert float(kv_bytes_per_token(model, tensor_parallel=1, bytes_per_value=2.0)) == 32_768


def test_a_context_named_by_the_length_of_the_tokenizer_is_read() -> None:
    # Kimi Linear names it so and no other way
    model = model_from_config(
        {**{k: v for k, v in TINY.items() if k != "max_position_embeddings"}, "model_max_length": 1_048_576}, model_id="org/m"
    )
    assert model.max_context_length == 1_048_576


def test_what_decodes_is_a_decoder_though_its_architecture_is_called_a_model() -> None:
    # ChatGLM2-6B: 28 layers · 2 · 2 heads · 128 · 2 B
    assert float(kv_bytes_per_token(_model("THUDM/chatglm2-6b"), tensor_parallel=1, bytes_per_value=2.0)) == 28_672
