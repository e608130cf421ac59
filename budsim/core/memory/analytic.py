"""AnalyticMemory: weights, KV cache, activations and overhead from the shape, vectorised over candidates."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.plan import MemoryPlan
from budsim.core.model.kv_cache import kv_bytes_per_sequence, kv_bytes_per_token
from budsim.core.model.parameters import embedding_parameters, lm_head_parameters
from budsim.core.model.spec import ModelSpec
from budsim.core.model.weights import embedding_bytes_per_weight, layers_weight_bytes, weight_bytes
from budsim.core.units import GB, GIB

USABLE_SHARE: Final = 0.95  # CONTRACT «Memory, cost»
SMALL_TOTAL_BYTES: Final = 10 * GB  # CONTRACT: up to here the buffer is 1 GB, above it 2 GB
SMALL_BUFFER_BYTES: Final = 1.0 * GB
LARGE_BUFFER_BYTES: Final = 2.0 * GB
UTILIZATION: Final = 0.9  # vLLM's default gpu_memory_utilization
NON_TORCH_ALONE_BYTES: Final = 0.15 * GIB  # PHYSICS 6: eight H100 measurements with vLLM
NON_TORCH_PARALLEL_BYTES: Final = 0.6 * GIB  # PHYSICS 6, TP ≥ 2
GRAPHS_BYTES: Final = 0.6 * GIB  # PHYSICS 6: −0.9…+1.0 GiB, upper middle
ACTIVATION_BYTES_PER_VALUE: Final = 2.0  # bf16
LIVE_HIDDEN_STATES: Final = 4.0  # residual, normed input, attention output and its projection live at once
LOGIT_BYTES: Final = 4.0  # logits are made in fp32


class AnalyticMemory:
    """The memory model of PHYSICS 4–6."""

    def plan(self, scenario: Scenario, candidates: Candidates) -> MemoryPlan:
        """Return where the bytes of the fullest device go, for every candidate.

        Args:
            scenario: Model, device, engine and load of a part.
            candidates: Columns of shape (n,).

        Source:
            PHYSICS 4–6; the fitting rule is CONTRACT «Memory, cost» and LLD 6.4.
        """
        weights = stage_weight_bytes(scenario.model, candidates)
        sequence = _sequence_bytes(scenario, candidates)
        needed = sequence * _running(candidates)
        activation = activation_bytes(scenario.model, candidates)
        overhead = _overhead(scenario, candidates)
        fixed = weights + activation + overhead
        total = fixed + needed
        buffer = np.where(total <= SMALL_TOTAL_BYTES, SMALL_BUFFER_BYTES, LARGE_BUFFER_BYTES)
        usable = np.minimum(USABLE_SHARE * (scenario.memory_bytes - buffer), UTILIZATION * scenario.memory_bytes)
        # the larger buffer bounds what a filled cache may take
        most = np.minimum(USABLE_SHARE * (scenario.memory_bytes - LARGE_BUFFER_BYTES), UTILIZATION * scenario.memory_bytes)
        capacity = np.maximum(0.0, np.maximum(most, np.where(total < usable, total, 0.0)) - fixed)
        held = np.where(sequence > 0, np.floor(capacity / np.maximum(sequence, 1.0)), candidates.max_num_seqs)
        return MemoryPlan(
            weights_bytes=weights,
            kv_needed_bytes=needed,
            kv_capacity_bytes=capacity,
            activation_bytes=activation,
            overhead_bytes=overhead,
            total_bytes=total,
            usable_bytes=usable,
            fits=total < usable,
            max_concurrency=(held * candidates.data_parallel).astype(np.int64),
            kv_bytes_per_token=_stage_share(
                scenario.model,
                candidates,
                kv_bytes_per_token(scenario.model, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes),
            ),
        )


def stage_weight_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return the weights of the fullest stage on one device, shape (n,). [bytes]

    Source:
        PHYSICS 4; embeddings stand on the first stage, the LM head on the last, both split over TP.
    """
    layers = _stage_share(model, candidates, np.full(len(candidates), layers_weight_bytes(model)))
    alone = candidates.pipeline_parallel == 1
    width = embedding_bytes_per_weight(model)
    embedding, head = embedding_parameters(model) * width, lm_head_parameters(model) * width
    ends = np.where(alone, embedding + head, max(embedding, head or embedding))
    rest = weight_bytes(model) - layers_weight_bytes(model) - embedding - head
    return np.asarray((layers + ends + rest) / candidates.tensor_parallel, dtype=np.float64)


def activation_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return the activations of the largest step on one device, shape (n,). [bytes]

    Source:
        Hidden states and the widest intermediate of `max_num_batched_tokens`, and fp32 logits of the sampled sequences (PHYSICS 6).
    """
    widest = max(
        max(
            block.feed_forward.intermediate_size,
            block.feed_forward.experts_per_token * block.feed_forward.expert_intermediate_size
            + block.feed_forward.shared_intermediate_size,
            block.attention.query_heads * block.attention.head_dim,
        )
        for block in model.blocks
    )
    per_token = ACTIVATION_BYTES_PER_VALUE * (LIVE_HIDDEN_STATES * model.hidden_size + 2.0 * widest / candidates.tensor_parallel)
    logits = LOGIT_BYTES * model.vocab_size * candidates.max_num_seqs / candidates.tensor_parallel
    return np.asarray(candidates.max_num_batched_tokens * per_token + logits, dtype=np.float64)


def _sequence_bytes(scenario: Scenario, candidates: Candidates) -> FloatArray:
    tokens = scenario.workload.sequence_tokens
    blocks = np.ceil(tokens / candidates.block_size) * candidates.block_size
    whole = kv_bytes_per_sequence(
        scenario.model, tokens=blocks, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    return _stage_share(scenario.model, candidates, whole)


def _running(candidates: Candidates) -> FloatArray:
    return np.asarray(np.ceil(np.minimum(candidates.concurrency, candidates.max_num_seqs) / candidates.data_parallel), dtype=np.float64)


def _stage_share(model: ModelSpec, candidates: Candidates, whole: FloatArray) -> FloatArray:
    """Return the part of a sum over layers that the fullest stage has."""
    layers = max(1, model.layers)
    return np.asarray(whole * np.ceil(layers / candidates.pipeline_parallel) / layers, dtype=np.float64)


def _overhead(scenario: Scenario, candidates: Candidates) -> FloatArray:
    if scenario.device.device_type is DeviceType.CPU or scenario.engine.kind is EngineKind.LITELLM:
        return np.zeros(len(candidates))
    apart = np.where(candidates.devices > 1, NON_TORCH_PARALLEL_BYTES, NON_TORCH_ALONE_BYTES)
    return np.asarray(apart + GRAPHS_BYTES, dtype=np.float64)
