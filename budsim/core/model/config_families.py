"""Facts of model families that their configs do not state.

Source:
    The modelling files of transformers 5.17.0 and, for types outside it, the code published with the model.
"""

from typing import Final

# encoders whose every projection has a bias and whose layers end in LayerNorm, as BERT's do
BERT_LIKE: Final = frozenset(
    {
        "albert",
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
WITHOUT_POOLER: Final = frozenset({"distilbert", "deberta", "deberta-v2", "electra"})
ENCODERS: Final = BERT_LIKE | {"modernbert", "eurobert", "nomic_bert", "new", "jina_embeddings_v3"}

BIASED: Final = frozenset(
    {"jais2", "biogpt", "gpt2", "opt", "gpt_neox", "gpt_bigcode", "bloom", "phi", "starcoder2", "persimmon", *BERT_LIKE}
)
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
BIASED_MLP: Final = BIASED | {"whisper", "recurrent_gemma", "gptj", "codegen", "gpt_neo", "gpt_oss", "xglm"}
LAYER_NORM: Final = BIASED | {
    "whisper",
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
    {
        *BIASED,
        "gptj",
        "codegen",
        "gpt_neo",
        "falcon",
        "mpt",
        "xglm",
        "nemotron",
        "arcee",
        "apertus",
        "jina_embeddings_v3",
        "nemotron_h",
        "whisper",
        "jais2",
        "biogpt",
    }
)
FOURFOLD: Final = frozenset(  # a feed-forward of 4·hidden when the config names no width
    {"gpt2", "gptj", "gpt_neo", "gpt_bigcode", "codegen", "falcon", "bloom", "mpt", "gpt_neox"}
)
FOUR_NORMS: Final = frozenset(
    {"afmoe", "gemma2", "gemma3", "gemma3_text", "gemma3n_text", "gemma4_text", "glm4", "glm4v_text"}
)  # norms after mixing as well as before
QUERY_KEY_NORMS: Final = frozenset(
    {
        "afmoe",
        "exaone4",
        "qwen3",
        "qwen3_moe",
        "qwen3_next",
        "qwen3_5_text",
        "qwen3_5_moe_text",
        "qwen3_vl_text",
        "qwen3_vl_moe_text",
        "gemma3",
        "gemma3_text",
        "gemma3n_text",
        "gemma4_text",
        "lfm2",
        "lfm2_moe",
    }
)
WIDE_QUERY_KEY_NORMS: Final = frozenset({"olmo2", "olmo3", "olmoe", "flex_olmo", "olmo_hybrid", "minimax_m2"})  # over all heads at once
GEMMA_4: Final = frozenset({"gemma4_text"})
# layers of two kinds turn by tables of their own
TWO_ROTARY_TABLES: Final = frozenset(
    {
        "deepseek_v4",
        "gemma3_text",
        "gemma3n_text",
        "gemma4_text",
        "gemma4_unified_text",
        "laguna",
        "mellum",
        "mimo_v2_flash",
        "modernbert-decoder",
        "olmo3",
        "zaya",
    }
)
ALWAYS_BIASED_OUTPUT: Final = frozenset({"recurrent_gemma"})
GATED_ATTENTION: Final = frozenset({"afmoe", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"})  # the query projection is twice as wide
LEARNED_POSITIONS: Final = frozenset(
    {
        "gpt2",
        "opt",
        "gpt_bigcode",
        "gpt_neo",
        "bert",
        "roberta",
        "xlm-roberta",
        "distilbert",
        "mpnet",
        "camembert",
        "whisper",
        "biogpt",
        "albert",
        "electra",
    }
)

POSITION_OFFSET: Final = {"opt": 2, "biogpt": 2}  # rows of the table that stand before the first position

# one layer in so many sees everything; the others see a window. Types that list their layers are read from `layer_types`
FULL_EVERY: Final = {
    "gemma2": 2,
    "gpt_oss": 2,
    "gemma3": 6,
    "gemma3_text": 6,
    "cohere2": 4,
    "olmo3": 4,
    "gemma3n_text": 5,
    "gemma4_text": 6,
    "afmoe": 4,
    "exaone4": 4,
    "llama4": 4,
    "llama4_text": 4,
}
FULL_FIRST: Final = {"modernbert": 3}  # as above, but the first of each group sees everything
LINEAR_EVERY: Final = {
    "qwen3_next": 4,
    "qwen3_5_text": 4,
    "qwen3_5_moe_text": 4,
    "olmo_hybrid": 4,
}  # as FULL_EVERY; the others mix by linear attention

NARROW_EMBEDDING: Final = frozenset({"albert", "electra"})
ONE_LAYER: Final = frozenset({"albert"})  # all layers of a group share their weights
ZERO_EXPERTS: Final = "zero_expert_num"  # experts that pass a token on unchanged, among which it is routed too
DOUBLED: Final = frozenset({"longcat_flash"})  # each of num_layers attends and is dense twice, and has experts beside both

# layers that keep a state
FIRST_MAMBA: Final = frozenset({"mamba", "falcon_mamba", "jamba", "zamba"})  # the others with state-space layers build Mamba-2
WIDTH_STATED: Final = frozenset({"mamba", "falcon_mamba"})  # intermediate_size is the width of the mixer, whatever `expand` says
MIXER_ONLY: Final = frozenset({"mamba", "mamba2", "falcon_mamba", "zamba", "zamba2"})  # no feed-forward of their own
ONE_PART: Final = frozenset({"nemotron_h"})  # a layer is a mixer or a feed-forward, and has one norm
PARALLEL_STATE: Final = frozenset({"falcon_h1"})  # each layer attends and keeps a state
SHARED_BLOCK: Final = frozenset({"zamba", "zamba2"})  # some layers call one transformer block whose weights they share
GATED_RECURRENCE: Final = frozenset({"recurrent_gemma"})

# endings of architectures that decode though they are called models like those that embed
DECODING_MODELS: Final = ("LMHeadModel", "LMModel", "ChatModel", "OmniModel", "AudioModel", "UltravoxModel", "ChatGLMModel")

# encoders in front of a decoder
TEXT_TO_TEXT: Final = frozenset({"t5", "mt5", "umt5"})
SPEECH: Final = frozenset({"whisper"})

READ: Final = (
    DOUBLED
    | MIXER_ONLY
    | ONE_PART
    | FIRST_MAMBA
    | GATED_RECURRENCE
    | TEXT_TO_TEXT
    | SPEECH
    | ENCODERS
    | FULL_EVERY.keys()
    | LINEAR_EVERY.keys()
)
