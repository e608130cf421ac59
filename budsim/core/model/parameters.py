"""Parameter counts, from the shape alone."""

from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelSpec


def parameter_count(model: ModelSpec) -> int:
    """Return all parameters of a model.

    Source:
        The linear layers of the published architectures; checked in the tests against published totals.
    """
    layers = sum(block.copies * layer_parameters(model, block) for block in model.blocks)
    return layers + embedding_parameters(model) + lm_head_parameters(model) + model.hidden_size + model.extra_parameters


def active_parameter_count(model: ModelSpec) -> int:
    """Return the parameters one token meets: all but the experts it is not routed to; layers that share weights are counted once."""
    idle = sum(block.copies * (1 - active_expert_share(block.feed_forward)) * expert_parameters(model, block) for block in model.blocks)
    return parameter_count(model) - round(idle)


def active_expert_share(feed_forward: FeedForwardSpec) -> float:
    """Return the fraction of the routed experts one token meets; 1 without experts."""
    return feed_forward.experts_per_token / feed_forward.experts if feed_forward.experts else 1.0


def layer_parameters(model: ModelSpec, block: LayerBlock) -> int:
    """Return the parameters of one layer of a block: mixing, dense part, experts and norms."""
    mixing = attention_parameters(model, block.attention)
    return mixing + dense_feed_forward_parameters(model, block) + expert_parameters(model, block) + norm_parameters(model, block)


def norm_parameters(model: ModelSpec, block: LayerBlock) -> int:
    """Return the norms of one layer that `extra_parameters` does not hold."""
    return block.norms * model.hidden_size


def attention_parameters(model: ModelSpec, attention: AttentionSpec) -> int:
    """Return the projections of one layer's token mixing."""
    match attention.kind:
        case AttentionKind.GQA:
            return _gqa(model.hidden_size, attention) + attention.extra_parameters
        case AttentionKind.MLA:
            return _mla(model.hidden_size, attention) + attention.extra_parameters
        case AttentionKind.STATE:
            return attention.extra_parameters


def dense_feed_forward_parameters(model: ModelSpec, block: LayerBlock) -> int:
    """Return the channel mixing every token meets: dense, shared experts, the router, and what narrows the experts' input."""
    feed_forward = block.feed_forward
    dense = _mlp(model.hidden_size, feed_forward.intermediate_size, feed_forward)
    shared = _mlp(model.hidden_size, feed_forward.shared_intermediate_size, feed_forward)
    around = 2 * model.hidden_size * feed_forward.expert_hidden_size
    return dense + shared + feed_forward.experts * model.hidden_size + around


def expert_parameters(model: ModelSpec, block: LayerBlock) -> int:
    """Return all routed experts of one layer."""
    feed_forward = block.feed_forward
    hidden = feed_forward.expert_hidden_size or model.hidden_size
    return feed_forward.experts * _mlp(hidden, feed_forward.expert_intermediate_size, feed_forward)


def embedding_parameters(model: ModelSpec) -> int:
    """Return the input embedding."""
    return model.vocab_size * model.hidden_size


def lm_head_parameters(model: ModelSpec) -> int:
    """Return the output projection; none where it is the embedding."""
    return 0 if model.tied_embeddings else model.vocab_size * model.hidden_size


def _gqa(hidden: int, attention: AttentionSpec) -> int:
    query = attention.query_heads * attention.head_dim
    key_value = attention.kv_heads * (attention.head_dim + attention.value_head_dim)
    output = attention.query_heads * attention.value_head_dim
    return hidden * (query + key_value) + output * hidden + (query + key_value if attention.bias else 0)


def _mla(hidden: int, attention: AttentionSpec) -> int:
    query_width = attention.query_heads * (attention.head_dim + attention.rope_head_dim)
    rank = attention.q_lora_rank
    query = hidden * rank + rank * query_width if rank else hidden * query_width
    latent = hidden * (attention.kv_lora_rank + attention.rope_head_dim)
    unfold = attention.kv_lora_rank * attention.query_heads * (attention.head_dim + attention.value_head_dim)
    return query + latent + unfold + attention.query_heads * attention.value_head_dim * hidden


def _mlp(hidden: int, intermediate: int, feed_forward: FeedForwardSpec) -> int:
    matrices = 3 if feed_forward.gated else 2
    biases = (matrices - 1) * intermediate + hidden if feed_forward.bias and intermediate else 0
    return matrices * hidden * intermediate + biases
