"""Work and traffic of layers that keep a state instead of a growing cache."""

from typing import Final

from budsim.core.model.kv_cache import STATE_VALUE_BYTES
from budsim.core.model.spec import AttentionSpec, ModelSpec

# a token lets each value of the state decay (1), adds an outer product to it (2) and reads it against the query (2); the delta rule
# also reads it against the key before it writes (2 and the difference 1)
FLOP_PER_STATE_VALUE: Final = 8.0
STATE_PASSES: Final = 2.0  # a decoded token reads the state and writes it back


def state_flop_per_token(attention: AttentionSpec) -> float:
    """Return the work of one layer's recurrence for one token, projections not counted. [FLOP]

    Source:
        Mamba-2, Dao and Gu 2024, equation 2; Gated Delta Networks, Yang et al. 2024, equation 10: the larger of both.
    """
    return FLOP_PER_STATE_VALUE * attention.state_values


def state_write_bytes(model: ModelSpec) -> float:
    """Return what one decoded token adds to the traffic of the states beyond the one reading of all a sequence keeps. [bytes]

    Source:
        PHYSICS 5: the state is rewritten with every token.
    """
    values = sum(block.count * block.attention.state_values for block in model.blocks)
    return (STATE_PASSES - 1.0) * STATE_VALUE_BYTES * values
