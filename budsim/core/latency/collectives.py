"""What the devices of one replica put on their links."""

from typing import Final

from budsim.core.elementwise import Figure, minimum
from budsim.core.engines.candidates import Rows
from budsim.core.latency.shape import shape_of
from budsim.core.model.spec import ModelSpec

REDUCES_PER_LAYER: Final = 2.0  # after attention and after the feed-forward (PHYSICS 7)
ACTIVATION_BYTES: Final = 2.0  # bf16


def message_bytes(model: ModelSpec, tokens: Figure) -> Figure:
    """Return the activations of `tokens` between two layers. [bytes]"""
    return tokens * model.hidden_size * ACTIVATION_BYTES


def ring_bytes(candidates: Rows, message: Figure) -> Figure:
    """Return what one all-reduce over the tensor-parallel group sends from each device; nothing for a single one. [bytes]

    Source:
        PHYSICS 7: a ring sends 2(t−1)/t of the message.
    """
    split = candidates.tensor_parallel
    return 2.0 * (split - 1.0) / split * message


def exchange_bytes(model: ModelSpec, candidates: Rows, message: Figure) -> Figure:
    """Return dispatch and combine of tokens between data-parallel ranks that share the experts, all layers. [bytes]

    Source:
        PHYSICS 9: 2·tokens·k·h·b, less what stays on the rank.
    """
    ranks = candidates.data_parallel
    copies: Figure = 0.0
    for experts in shape_of(model).experts:
        copies = copies + experts.layers * minimum(experts.experts_per_token, ranks)
    return 2.0 * copies * message * (ranks - 1.0) / ranks
