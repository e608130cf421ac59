"""Weights, KV cache, activations: what fits."""
