"""Demand of a decode step and of a prompt, over arrays of candidates of one scenario."""

from budsim.core.elementwise import Figure, rounded_up, where
from budsim.core.engines.candidates import Rows
from budsim.core.engines.spec import Scenario
from budsim.core.hardware.paths import links_of_groups
from budsim.core.hardware.spec import Accelerator
from budsim.core.latency.collectives import REDUCES_PER_LAYER, exchange_bytes, message_bytes, ring_bytes
from budsim.core.latency.demand import Peaks, StepDemand
from budsim.core.latency.operators import (
    NO_WORK,
    Work,
    decode_attention_work,
    dense_work,
    expert_work,
    head_work,
    prefill_attention_work,
)
from budsim.core.latency.roofline import dense_lane_of, dense_peak_flop_per_s, lane_of, linear_peak_flop_per_s
from budsim.core.latency.shape import shape_of
from budsim.core.model.spec import ModelSpec
from budsim.core.remembered import remembered


def peaks_of(scenario: Scenario) -> Peaks:
    """Return the peaks that the model's operators have on the scenario's device.

    Hops between pipeline stages are counted over the link between nodes, though stages may share one: no replica is slower than told.
    """
    return _peaks(scenario.device, scenario.model)


@remembered
def _peaks(device: Accelerator, model: ModelSpec) -> Peaks:
    return Peaks(
        dense_flop_per_s=dense_peak_flop_per_s(device, model),
        expert_flop_per_s=linear_peak_flop_per_s(device, model),
        plain_flop_per_s=device.fp16_flop_per_s,
        bytes_per_s=device.bandwidth_bytes_per_s,
        dense_lane=dense_lane_of(device, model),
        expert_lane=lane_of(device, model),
        hop_bytes_per_s=device.inter_node.bandwidth_bytes_per_s,
        hop_latency_s=device.inter_node.latency_s,
    )


def decode_demand(scenario: Scenario, candidates: Rows, *, sequences: Figure, context: Figure) -> StepDemand:
    """Return the demand of one decode step of `sequences` on each data-parallel rank, at mean length `context`.

    Args:
        scenario: Model and device.
        candidates: One, or columns of them.
        sequences: Sequences that decode one token each.
        context: Mean length of a sequence. [tokens]

    Source:
        PHYSICS 1–5, 7.
    """
    model = scenario.model
    return _demand(
        scenario,
        candidates,
        dense=dense_work(model, candidates, sequences),
        experts=expert_work(model, candidates, sequences * candidates.data_parallel),
        head=head_work(model, candidates, sequences),
        attention=decode_attention_work(model, candidates, sequences=sequences, context=context),
        tokens=sequences,
        steps=1.0,
        sequences=sequences,
    )


def prompt_demand(scenario: Scenario, candidates: Rows, *, prompt: Figure, cached: Figure = 0.0) -> StepDemand:
    """Return the demand of one prompt run alone, its chunks' repeated weight reads included.

    Args:
        scenario: Model and device.
        candidates: One, or columns of them.
        prompt: Tokens of the prompt that are computed. [tokens]
        cached: Tokens before them that a prefix cache holds: only attention meets them. [tokens]

    Source:
        PHYSICS 1–4, 7, 13.
    """
    model = scenario.model
    chunks = prompt_chunks(candidates, prompt)
    each = prompt / chunks
    return _demand(
        scenario,
        candidates,
        dense=dense_work(model, candidates, each).times(chunks),
        experts=expert_work(model, candidates, each).times(chunks),
        head=head_work(model, candidates, 1.0) if shape_of(model).samples else NO_WORK,
        attention=prefill_attention_work(model, candidates, prompt=prompt, chunks=chunks, cached=cached),
        tokens=each,
        steps=chunks,
        sequences=0.0,
    )


def prompt_chunks(candidates: Rows, prompt: Figure) -> Figure:
    """Return the steps a prompt is spread over by the token budget of a step."""
    return where(candidates.chunked_prefill, rounded_up(prompt / candidates.max_num_batched_tokens), 1.0)


_links_of_one = remembered(links_of_groups)  # of single candidates: small numbers are one object each


def _demand(
    scenario: Scenario,
    candidates: Rows,
    *,
    tokens: Figure,
    steps: Figure,
    sequences: Figure,
    **work: Work,
) -> StepDemand:
    model, split = scenario.model, candidates.tensor_parallel
    message, shape = message_bytes(model, tokens), shape_of(model)
    links = (_links_of_one if isinstance(split, int) else links_of_groups)(scenario.device, split)
    return StepDemand(
        link_bytes_per_s=links.bandwidth_bytes_per_s,
        link_latency_s=links.latency_s,
        ring_bytes=ring_bytes(candidates, message),
        reduces=where(candidates.tensor_parallel > 1, steps * REDUCES_PER_LAYER * shape.layers, 0.0),
        hop_bytes=message,
        hops=steps * (candidates.pipeline_parallel - 1.0),
        exchange_bytes=steps * exchange_bytes(model, candidates, message),
        exchanges=where(candidates.data_parallel > 1, steps * shape.routed_layers, 0.0),
        passed_bytes=steps * shape.layers * message,
        routed_bytes=steps * shape.copied_layers * message,
        layers=steps * shape.layers,
        routed_layers=steps * shape.routed_layers,
        folded_layers=steps * shape.folded_layers,
        steps=steps,
        sequences=sequences,
        **work,
    )
