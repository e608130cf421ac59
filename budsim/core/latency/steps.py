"""Demand of a decode step and of a prompt, over arrays of candidates of one scenario."""

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.latency.collectives import REDUCES_PER_LAYER, exchange_bytes, folded_layers, message_bytes, ring_bytes, routed_layers
from budsim.core.latency.demand import Peaks, StepDemand
from budsim.core.latency.operators import (
    Work,
    decode_attention_work,
    dense_work,
    expert_work,
    head_work,
    no_work,
    prefill_attention_work,
)
from budsim.core.latency.roofline import dense_lane_of, dense_peak_flop_per_s, lane_of, linear_peak_flop_per_s
from budsim.core.model.kv_cache import keeps_cache
from budsim.core.model.spec import ModelSpec


def peaks_of(scenario: Scenario) -> Peaks:
    """Return the peaks that the model's operators have on the scenario's device.

    Hops between pipeline stages are counted over the link between nodes, though stages may share one: no replica is slower than told.
    """
    device, model = scenario.device, scenario.model
    return Peaks(
        dense_flop_per_s=dense_peak_flop_per_s(device, model),
        expert_flop_per_s=linear_peak_flop_per_s(device, model),
        plain_flop_per_s=device.fp16_flop_per_s,
        bytes_per_s=device.bandwidth_bytes_per_s,
        dense_lane=dense_lane_of(device, model),
        expert_lane=lane_of(device, model),
        link_bytes_per_s=device.intra_node.bandwidth_bytes_per_s,
        link_latency_s=device.intra_node.latency_s,
        hop_bytes_per_s=device.inter_node.bandwidth_bytes_per_s,
        hop_latency_s=device.inter_node.latency_s,
    )


def decode_demand(scenario: Scenario, candidates: Candidates, *, sequences: FloatArray, context: FloatArray) -> StepDemand:
    """Return the demand of one decode step of `sequences` on each data-parallel rank, at mean length `context`.

    Args:
        scenario: Model and device.
        candidates: Columns of shape (n,).
        sequences: Sequences that decode one token each, shape (n,).
        context: Mean length of a sequence, shape (n,). [tokens]

    Source:
        PHYSICS 1–5, 7.
    """
    model = scenario.model
    return _demand(
        model,
        candidates,
        dense=dense_work(model, candidates, sequences),
        experts=expert_work(model, candidates, sequences),
        head=head_work(model, candidates, sequences),
        attention=decode_attention_work(model, candidates, sequences=sequences, context=context),
        tokens=sequences,
        steps=np.ones_like(sequences),
        sequences=sequences,
    )


def prompt_demand(scenario: Scenario, candidates: Candidates, *, prompt: FloatArray) -> StepDemand:
    """Return the demand of one prompt run alone, its chunks' repeated weight reads included.

    Args:
        scenario: Model and device.
        candidates: Columns of shape (n,).
        prompt: Length of the prompt, shape (n,). [tokens]

    Source:
        PHYSICS 1–4, 7.
    """
    model = scenario.model
    chunks = prompt_chunks(candidates, prompt)
    each = prompt / chunks
    return _demand(
        model,
        candidates,
        dense=dense_work(model, candidates, each).times(chunks),
        experts=expert_work(model, candidates, each).times(chunks),
        head=head_work(model, candidates, np.ones_like(prompt)) if keeps_cache(model) else no_work(prompt),
        attention=prefill_attention_work(model, candidates, prompt=prompt, chunks=chunks),
        tokens=each,
        steps=chunks,
        sequences=np.zeros_like(prompt),
    )


def prompt_chunks(candidates: Candidates, prompt: FloatArray) -> FloatArray:
    """Return the steps a prompt is spread over by the token budget of a step, shape (n,)."""
    return np.where(candidates.chunked_prefill, np.ceil(prompt / candidates.max_num_batched_tokens), 1.0)


def _demand(
    model: ModelSpec,
    candidates: Candidates,
    *,
    tokens: FloatArray,
    steps: FloatArray,
    sequences: FloatArray,
    **work: Work,
) -> StepDemand:
    message = message_bytes(model, tokens)
    routed = float(routed_layers(model))
    return StepDemand(
        ring_bytes=ring_bytes(candidates, message),
        reduces=np.where(candidates.tensor_parallel > 1, steps * REDUCES_PER_LAYER * model.layers, 0.0),
        hop_bytes=message,
        hops=steps * (candidates.pipeline_parallel - 1.0),
        exchange_bytes=steps * exchange_bytes(model, candidates, message),
        exchanges=np.where(candidates.data_parallel > 1, steps * routed, 0.0),
        layers=steps * model.layers,
        routed_layers=steps * routed,
        folded_layers=steps * float(folded_layers(model)),
        steps=steps,
        sequences=sequences,
        **work,
    )
