"""ModelSpec: the shape of a model, enough to count its weights, its KV cache and its work."""

from dataclasses import dataclass
from enum import StrEnum


class Precision(StrEnum):
    """Number format of weights, activations or KV cache."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    INT8 = "int8"
    INT4 = "int4"
    FP4 = "fp4"

    @property
    def bytes(self) -> float:
        """Width of one value, scales not counted. [bytes]"""
        return _WIDTH_BYTES[self]


_WIDTH_BYTES = {
    Precision.FP32: 4.0,
    Precision.BF16: 2.0,
    Precision.FP16: 2.0,
    Precision.FP8: 1.0,
    Precision.INT8: 1.0,
    Precision.INT4: 0.5,
    Precision.FP4: 0.5,
}


class AttentionKind(StrEnum):
    """How a layer mixes tokens."""

    GQA = "gqa"  # multi-head and multi-query attention are its limits
    MLA = "mla"
    STATE = "state"  # state-space or linear attention: constant state, no KV growth; all zero where a layer mixes no tokens


class ModelKind(StrEnum):
    """What a model is served for."""

    DECODER = "decoder"
    ENCODER = "encoder"
    EMBEDDING = "embedding"
    PROPRIETARY = "proprietary"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionSpec:
    """Token mixing of one layer. Zero means «has none»; head dims in values, window in tokens.

    A layer of the first two kinds may keep a state too, where it runs both mixers side by side.

    Attributes:
        state_values: Values of the recurrent state one sequence keeps, whatever its length.
        fixed_values: Other values it keeps so: taps of a short convolution, keys and values of an encoder's output.
        extra_parameters: Weights the other fields do not describe: the mixer of a state, norms, gates.
        index_heads: Heads that pick what a sparse layer attends to; 0 = it attends to everything.
        index_head_dim: Width of the key such a layer keeps of each token beside its latent.
        keeps_cache: Whether the layer has a cache of its own; some read that of an earlier layer.
    """

    kind: AttentionKind
    query_heads: int
    kv_heads: int
    head_dim: int
    value_head_dim: int
    window: int | None = None
    kv_lora_rank: int = 0
    q_lora_rank: int = 0
    rope_head_dim: int = 0
    bias: bool = False
    state_values: int = 0
    fixed_values: int = 0
    extra_parameters: int = 0
    index_heads: int = 0
    index_head_dim: int = 0
    keeps_cache: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForwardSpec:
    """Channel mixing of one layer: dense (`intermediate_size`), or experts, plus shared experts; all zero where it has none.

    Attributes:
        expert_hidden_size: Width the routed experts read and write; 0 = the model's, else a projection stands on either side.
    """

    intermediate_size: int
    gated: bool = True
    bias: bool = False
    experts: int = 0
    experts_per_token: int = 0
    expert_intermediate_size: int = 0
    shared_intermediate_size: int = 0
    expert_hidden_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBlock:
    """`count` layers of one shape; their order within the model is not kept.

    Attributes:
        count: Layers a token passes.
        norms: Norms of hidden_size weights each.
        stored: Layers whose weights are stored, where several share theirs; None = all.
    """

    count: int
    attention: AttentionSpec
    feed_forward: FeedForwardSpec
    norms: int = 2
    stored: int | None = None

    @property
    def copies(self) -> int:
        """Layers whose weights are stored."""
        return self.count if self.stored is None else self.stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How the linear weights are stored.

    Attributes:
        method: Name the engines use: fp8, awq, gptq, int8, nf4, mxfp4, …
        weight_bits: Bits of one weight. [bit]
        group_size: Weights that share one scale; 0 = one scale per channel or tensor.
        block_size: Rows and columns of a square of weights that share one scale; 0 = none do.
        scale_bits: Bits of a group's scale; None = as the method stores it.
        activation: Precision of the activations that meet the weights.
        excludes_embeddings: Embedding and LM head stay in the model's dtype.
        experts_only: So does all but the routed experts.
        excludes_attention: So does attention.
        dense: Format of the weights every token meets, where it differs from the experts', in a model without experts that of attention;
            None = the same.
    """

    method: str
    weight_bits: float
    group_size: int = 0
    block_size: int = 0
    scale_bits: float | None = None
    activation: Precision = Precision.BF16
    excludes_embeddings: bool = True
    experts_only: bool = False
    excludes_attention: bool = False
    dense: "Quantization | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrice:
    """What a provider charges for tokens, and which table says so. [$ per 10⁶ tokens]"""

    usd_per_million_input: float
    usd_per_million_output: float
    source: str

    def usd_per_million_answered(self, *, input_tokens: float, output_tokens: float) -> float:
        """Return the cost of 10⁶ output tokens together with the prompts they answer. [$]"""
        return self.usd_per_million_output + self.usd_per_million_input * input_tokens / max(1.0, output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Shape of one model. Sizes in values, lengths in tokens."""

    model_id: str
    model_type: str
    architectures: tuple[str, ...]
    kind: ModelKind
    hidden_size: int
    vocab_size: int
    blocks: tuple[LayerBlock, ...]
    tied_embeddings: bool
    max_context_length: int
    rotary_positions: int = 0  # rows of the tables of cosines and sines; 0 = max_context_length
    precision: Precision = Precision.BF16
    quantization: Quantization | None = None
    extra_parameters: int = 0  # vision and audio towers, encoders, learned positions, poolers
    revision: str = "unknown"
    source: str = "unknown"
    price: TokenPrice | None = None  # of a model that is only sold as an API
    notes: tuple[str, ...] = ()  # what could not be read for certain, said with every answer

    @property
    def layers(self) -> int:
        """Number of layers."""
        return sum(block.count for block in self.blocks)

    @property
    def query_heads(self) -> int:
        """Most query heads of any layer: what tensor parallelism must divide."""
        return max((block.attention.query_heads for block in self.blocks), default=0)

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes to experts."""
        return any(block.feed_forward.experts for block in self.blocks)
