"""What one run asks of devices and engine, free of any constant: columns that runs of different models and devices share.

Constants meet a demand in `timing.py`. Kept apart, thousands of unlike runs are timed in one pass, which is how constants are fitted.
"""

from dataclasses import dataclass

from budsim.core.elementwise import Figure, minimum
from budsim.core.engines.candidates import IntArray
from budsim.core.latency.operators import Work
from budsim.core.values import light_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """Peak rates of one device and its links. [FLOP/s, bytes/s, s]

    Attributes:
        dense_flop_per_s: Peak for the linear layers every token meets, the price of widening narrow weights included.
        expert_flop_per_s: The same for routed experts.
        plain_flop_per_s: 16-bit peak: attention and LM head.
        dense_lane: Lane of the dense linear layers; `expert_lane` that of the experts.
    """

    dense_flop_per_s: Figure
    expert_flop_per_s: Figure
    plain_flop_per_s: Figure
    bytes_per_s: Figure
    dense_lane: int | IntArray
    expert_lane: int | IntArray
    hop_bytes_per_s: Figure
    hop_latency_s: Figure


@light_value
class StepDemand:
    """Work, traffic and counts of one decode step, or of a whole prompt, on one device.

    Attributes:
        link_bytes_per_s: Slowest link of the tensor-parallel group; `link_latency_s` its latency. [bytes/s, s]
        ring_bytes: What one all-reduce puts on the link. [bytes]
        reduces: All-reduces; none on a single device.
        hop_bytes: What passes between two pipeline stages. [bytes]
        hops: Crossings between stages.
        exchange_bytes: What dispatch and combine of experts put on the link, all layers. [bytes]
        exchanges: Their number, each paying the link's latency twice.
        passed_bytes: Activations that all tokens carry through all layers once, which no degree splits. [bytes]
        routed_bytes: The same of the copies that go to experts. [bytes]
        layers: Layers run; `routed_layers` those with experts, `folded_layers` those of latent or linear attention.
        steps: Steps: 1, or the chunks of a prompt.
        sequences: Sequences that get a token.
    """

    dense: Work
    experts: Work
    head: Work
    attention: Work
    link_bytes_per_s: Figure
    link_latency_s: Figure
    ring_bytes: Figure
    reduces: Figure
    hop_bytes: Figure
    hops: Figure
    exchange_bytes: Figure
    exchanges: Figure
    passed_bytes: Figure
    routed_bytes: Figure
    layers: Figure
    routed_layers: Figure
    folded_layers: Figure
    steps: Figure
    sequences: Figure


@light_value
class Demand:
    """One closed loop, or one batch, on each data-parallel rank of a replica.

    Attributes:
        decode: One step of the running sequences at their mean length.
        prompt: One prompt, all its chunks.
        users: Users of one rank.
        slots: Sequences it can run at once.
        stages: Pipeline stages.
        crowd: Sequences whose prompts stand in each other's way: those of one rank, and of all ranks that share the experts, for these
            take every step together.
        chunks: Steps a prompt is spread over.
        step_share: Share of a step's token budget that a prompt takes, at most 1.
        output_tokens: Tokens of an answer. [tokens]
        rounds: Requests each user sends in the run, whose first round begins all at once.
    """

    peaks: Peaks
    decode: StepDemand
    prompt: StepDemand
    users: Figure
    slots: Figure
    stages: Figure
    crowd: Figure
    chunks: Figure
    step_share: Figure
    output_tokens: Figure
    rounds: Figure

    @property
    def running(self) -> Figure:
        """Sequences that run at once on one rank."""
        return minimum(self.users, self.slots)
