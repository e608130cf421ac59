"""Facts of model families that their configs do not state.

Source:
    The modelling files of transformers 5.17.0 and, for types outside it, the code published with the model.
"""

from typing import Final

# encoders whose every projection has a bias and whose layers end in LayerNorm, as BERT's do
BERT_LIKE: Final = frozenset(
    {
        "bert",
        "roberta",
        "xlm-roberta",
        "distilbert",
        "mpnet",
        "deberta",
        "deberta-v2",
        "electra",
        "camembert",
        "ernie",
        "roberta-prelayernorm",
    }
)
ENCODERS: Final = BERT_LIKE | {"modernbert", "nomic_bert", "new", "jina_embeddings_v3"}

BIASED: Final = frozenset({"gpt2", "opt", "gpt_neox", "gpt_bigcode", "bloom", "phi", "starcoder2", "persimmon", *BERT_LIKE})
BIASED_QKV: Final = BIASED | {
    "gpt_oss",
    "qwen2",
    "qwen2_moe",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen2_vl_text",
    "qwen2_5_vl_text",
    "qwen2_5_omni_text",
}
BIASED_OUTPUT: Final = BIASED | {"llama", "gpt_oss"}  # where the attention's bias reaches its output projection
BIASED_MLP: Final = BIASED | {"gptj", "codegen", "gpt_neo", "gpt_oss", "xglm"}
LAYER_NORM: Final = BIASED | {
    "gptj",
    "codegen",
    "gpt_neo",
    "falcon",
    "stablelm",
    "xglm",
    "nemotron",
    "nomic_bert",
}  # a bias beside each gain

UNGATED: Final = frozenset(
    {*BIASED, "gptj", "codegen", "gpt_neo", "falcon", "mpt", "xglm", "nemotron", "arcee", "apertus", "jina_embeddings_v3"}
)
FOURFOLD: Final = frozenset(  # a feed-forward of 4·hidden when the config names no width
    {"gpt2", "gptj", "gpt_neo", "gpt_bigcode", "codegen", "falcon", "bloom", "mpt", "gpt_neox"}
)
FOUR_NORMS: Final = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4", "glm4v_text"})  # norms after mixing as well as before
QUERY_KEY_NORMS: Final = frozenset(
    {"qwen3", "qwen3_moe", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "qwen3_vl_text", "qwen3_vl_moe_text", "gemma3", "gemma3_text"}
)
GATED_ATTENTION: Final = frozenset({"qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"})  # the query projection is twice as wide
LEARNED_POSITIONS: Final = frozenset(
    {"gpt2", "opt", "gpt_bigcode", "gpt_neo", "bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "camembert"}
)

# one layer in so many sees everything; the others see a window. Types that list their layers are read from `layer_types`
FULL_EVERY: Final = {
    "gemma2": 2,
    "gpt_oss": 2,
    "gemma3": 6,
    "gemma3_text": 6,
    "cohere2": 4,
    "olmo3": 4,
    "exaone4": 4,
    "llama4": 4,
    "llama4_text": 4,
}
FULL_FIRST: Final = {"modernbert": 3}  # as above, but the first of each group sees everything
LINEAR_EVERY: Final = {"qwen3_next": 4, "qwen3_5_text": 4, "qwen3_5_moe_text": 4}  # as FULL_EVERY; the others mix by linear attention

# fields of architectures whose layers the shape cannot yet describe: state-space hybrids, searched block lists, per-layer embeddings
UNREAD: Final = (
    "attn_layer_period",
    "hybrid_override_pattern",
    "layers_block_type",
    "attn_type_list",
    "block_configs",
    "linear_attn_config",
    "ssm_cfg",
    "state_size",
    "mamba_d_state",
    "conv_L_cache",
    "hidden_size_per_layer_input",
    "global_head_dim",
    "zero_expert_num",
    "is_encoder_decoder",
)
