"""Rows and shapes as people write them into tables."""

LLAMA_SHAPE = {
    "model": "meta-llama/Llama-3.1-8B",
    "num_params_b": "8.03",
    "active_params_b": "8.03",
    "num_layers": "32",
    "hidden_size": "4096",
    "num_heads": "32",
    "num_kv_heads": "8",
    "head_dim": "128",
    "intermediate_size": "14336",
    "vocab_size": "128256",
    "attention": "gqa",
    "tied_embeddings": "False",
    "family": "llama-like",
}
DEEPSEEK_SHAPE = LLAMA_SHAPE | {
    "model": "deepseek-ai/DeepSeek-V3",
    "num_params_b": "671",
    "active_params_b": "37",
    "num_layers": "61",
    "hidden_size": "7168",
    "num_heads": "128",
    "num_kv_heads": "128",
    "head_dim": "192",
    "intermediate_size": "18432",
    "vocab_size": "129280",
    "attention": "mla",
    "num_experts": "256",
    "experts_per_token": "8",
    "num_shared_experts": "1",
    "moe_intermediate_size": "2048",
    "dense_layers_first": "3",
    "kv_lora_rank": "512",
    "q_lora_rank": "1536",
    "qk_nope_head_dim": "128",
    "qk_rope_head_dim": "64",
    "v_head_dim": "128",
}


def row(**changes: str) -> dict[str, str]:
    """Return a closed loop of Llama-3.1-8B in fp8 on an H100, unless told otherwise."""
    return {
        "source": "a lab",
        "model": "meta-llama/Llama-3.1-8B",
        "weight_precision": "fp8",
        "hardware": "H100-SXM-80GB",
        "device_type": "cuda",
        "tp": "1",
        "engine": "vllm",
        "engine_version": "0.11.0",
        "input_tokens": "1000",
        "output_tokens": "200",
        "concurrency": "16",
        "mean_ttft_ms": "120",
        "mean_tpot_ms": "8",
        "mean_e2e_s": "1.712",
        "load_mode": "closed_loop",
    } | changes
