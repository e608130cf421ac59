"""Weights of the fullest pipeline stage."""

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.model.parameters import embedding_parameters, lm_head_parameters
from budsim.core.model.spec import ModelSpec
from budsim.core.model.weights import embedding_bytes_per_weight, expert_weight_bytes, layers_weight_bytes, weight_bytes


def stage_weight_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return the weights of the fullest stage on one device, shape (n,). [bytes]

    Embeddings stand on the first stage and the LM head on the last, both split over TP; routed experts are split over all ranks of a
    stage, the rest over the tensor-parallel group of each data-parallel rank.

    Source:
        PHYSICS 4.
    """
    experts = float(sum(block.count * expert_weight_bytes(model, block) for block in model.blocks))
    shared = (layers_weight_bytes(model) - experts) / candidates.tensor_parallel
    routed = experts / (candidates.tensor_parallel * candidates.data_parallel)
    return np.asarray(stage_share(model, candidates, shared + routed) + _ends_bytes(model, candidates) / candidates.tensor_parallel)


def stage_share(model: ModelSpec, candidates: Candidates, whole: FloatArray) -> FloatArray:
    """Return the part of a sum over all layers that the stage with most layers has, shape (n,)."""
    layers = max(1, model.layers)
    return np.asarray(whole * np.ceil(layers / candidates.pipeline_parallel) / layers)


def _ends_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return what stands outside the layers, on the heavier end; tied embeddings are held at both ends."""
    width = embedding_bytes_per_weight(model)
    embedding, head = embedding_parameters(model) * width, lm_head_parameters(model) * width
    rest = weight_bytes(model) - layers_weight_bytes(model) - embedding - head
    return np.where(candidates.pipeline_parallel == 1, embedding + head, max(embedding, head)) + rest
