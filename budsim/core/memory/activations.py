"""Peak of activations: the forward pass of the largest step, or its sampling, whichever is larger."""

from typing import Final

from budsim.core.elementwise import Figure, maximum
from budsim.core.engines.candidates import Rows
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.memory.profiling import Profiling, profiling_of
from budsim.core.model.kv_cache import keeps_cache
from budsim.core.model.spec import LayerBlock, ModelSpec, Precision
from budsim.core.remembered import remembered
from budsim.core.units import GIB

# residual, hidden state, normed input and the output of the block live at once: vLLM start-ups whose forward pass is the peak
# (CodeLlama-7B and Granite-8B at 8,192 tokens, Qwen2.5-1.5B at 32,768) print this within 0.02 GiB
LIVE_HIDDEN_STATES: Final = 4.0
STEP_BESIDE_SAMPLING_BYTES: Final = 0.045 * GIB  # sampler and input buffers, where a release keeps the step: llm-d-planner's logs
_FUSED_EXPERTS: Final = frozenset({"mxfp4"})  # their kernels need no buffers between the two halves of an expert


def activation_bytes(scenario: Scenario, rows: Rows) -> Figure:
    """Return the largest activations on one device. [bytes]

    Sampling holds logits of all sequences over the whole vocabulary, on every device of a stage.

    Source:
        Tensors of one layer of vLLM's models that live at once; sampling from PHYSICS 6 and profiling.csv.
    """
    model, release = scenario.model, profiling_of(scenario.engine)
    buffers = _expert_buffers(model, rows)
    peak = _forward_bytes(model, rows, buffers)
    if keeps_cache(model):
        beside = buffers if release.keeps_expert_buffers else 0.0
        peak = maximum(peak, _sampling_bytes(model, rows, release) + beside)
    return peak + _encoder_bytes(scenario, rows)


@remembered
def is_multimodal(model: ModelSpec) -> bool:
    """Return whether a model takes images or sound beside text."""
    return any(name.endswith("ForConditionalGeneration") for name in model.architectures) and model.model_type not in ("t5", "bart")


@remembered
def value_bytes(model: ModelSpec) -> float:
    """Return the width of one activation: the model's dtype, bf16 where its weights are narrower. [bytes]"""
    return max(model.precision.bytes, Precision.BF16.bytes)


def _forward_bytes(model: ModelSpec, rows: Rows, buffers: Figure) -> Figure:
    tokens = value_bytes(model) * rows.max_num_batched_tokens
    widest = _widest_values(model) / rows.tensor_parallel
    return tokens * LIVE_HIDDEN_STATES * model.hidden_size + maximum(tokens * widest, buffers)


def _sampling_bytes(model: ModelSpec, rows: Rows, release: Profiling) -> Figure:
    wider = value_bytes(model) - Precision.BF16.bytes
    logits = (release.bytes_per_logit + wider) * model.vocab_size * rows.max_num_seqs
    if not release.keeps_step:
        return logits
    return logits + value_bytes(model) * model.hidden_size * rows.max_num_batched_tokens + STEP_BESIDE_SAMPLING_BYTES


def _encoder_bytes(scenario: Scenario, rows: Rows) -> Figure:
    """Return the outputs of the encoder that vLLM caches for one step, which it profiles beside the language model."""
    if scenario.engine.kind is not EngineKind.VLLM or not is_multimodal(scenario.model):
        return 0.0
    return value_bytes(scenario.model) * scenario.model.hidden_size * rows.max_num_batched_tokens


@remembered
def _widest_values(model: ModelSpec) -> float:
    """Return what one token holds in the widest operator of a layer, over all devices."""
    return max((max(_attention_values(block), _feed_forward_values(block)) for block in model.blocks), default=0.0)


def _attention_values(block: LayerBlock) -> float:
    """Return queries, keys, values and the mixed output of one token."""
    attention = block.attention
    keys = attention.kv_heads * (attention.head_dim + attention.value_head_dim)
    return float(attention.query_heads * (attention.head_dim + attention.rope_head_dim + attention.value_head_dim) + keys)


def _feed_forward_values(block: LayerBlock) -> float:
    """Return gate, up and their product for one token."""
    feed_forward = block.feed_forward
    return 3.0 * max(feed_forward.intermediate_size, feed_forward.shared_intermediate_size)


def _expert_buffers(model: ModelSpec, rows: Rows) -> Figure:
    """Return what all experts of a step's tokens hold: gate and up, or their outputs; the product, or the inputs. [bytes]

    Source:
        TritonExperts.workspace_shapes of vLLM; six MoE start-ups of 0.19 agree within 0.06 GiB.
    """
    held: Figure = 0.0
    for inner_size, experts_per_token in _buffered_experts(model):
        inner = inner_size / rows.tensor_parallel
        values = maximum(inner, model.hidden_size) + maximum(2.0 * inner, model.hidden_size)
        held = maximum(held, experts_per_token * values)
    return held * value_bytes(model) * rows.max_num_batched_tokens


@remembered
def _buffered_experts(model: ModelSpec) -> frozenset[tuple[int, int]]:
    """Return the width of an expert and the experts of a token, where their kernels need buffers."""
    if model.quantization is not None and model.quantization.method in _FUSED_EXPERTS:
        return frozenset()
    met = (block.feed_forward for block in model.blocks if block.feed_forward.experts_per_token)
    return frozenset((each.expert_intermediate_size, each.experts_per_token) for each in met)
