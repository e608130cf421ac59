"""Which mixer and which feed-forward each layer of a model has, from a config's fields."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from budsim.core.errors import UnsupportedModel
from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields


class Mixing(StrEnum):
    """How one layer mixes tokens."""

    FULL = "full_attention"
    SLIDING = "sliding_attention"
    CHUNKED = "chunked_attention"
    LINEAR = "linear_attention"
    PARALLEL = "attention beside a state"
    NONE = "none"


class Channel(StrEnum):
    """Which feed-forward one layer has."""

    USUAL = "usual"  # dense or routed, as the fields on experts say
    DENSE = "dense"
    ROUTED = "routed"
    NONE = "none"


_MIXING: Final[Mapping[str, Mixing]] = {
    "full_attention": Mixing.FULL,
    "attention": Mixing.FULL,
    "global": Mixing.FULL,
    "deepseek_sparse_attention": Mixing.FULL,
    "sliding_attention": Mixing.SLIDING,
    "local_attention": Mixing.SLIDING,
    "chunked_attention": Mixing.CHUNKED,
    "linear_attention": Mixing.LINEAR,
    "mamba": Mixing.LINEAR,
    "mamba2": Mixing.LINEAR,
    "recurrent": Mixing.LINEAR,
    "conv": Mixing.LINEAR,
    "short_conv": Mixing.LINEAR,
    "moe": Mixing.NONE,
    "mlp": Mixing.NONE,
}
_HYBRID: Final = "hybrid"  # a state beside attention; in Zamba the attention is a shared block of its own
_LETTERS: Final = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}  # Nemotron-H's pattern
_LISTS: Final = ("layer_types", "layers_block_type", "layer_type_list")
_STATE_FIELDS: Final = ("state_size", "ssm_cfg")


def mixing_layers(fields: Fields, layers: int) -> tuple[Mixing, ...]:
    """Return how every layer mixes tokens.

    Raises:
        UnsupportedModel: A layer is named that no reader knows.
    """
    listed = listed_layers(fields)
    if listed:
        return tuple(_named(fields, name) for name in _filled(listed, layers))
    if fields.model_type in families.PARALLEL_STATE:
        return (Mixing.PARALLEL,) * layers
    return _beside_states(fields, layers) or _windows(fields, layers)


def _beside_states(fields: Fields, layers: int) -> tuple[Mixing, ...]:
    """Return the layers of a model some of whose layers keep a state; empty where no field tells of one."""
    attending = _attending(fields, layers)
    if attending is not None:
        return tuple(Mixing.FULL if index in attending else Mixing.LINEAR for index in range(layers))
    every = families.LINEAR_EVERY.get(fields.model_type)
    return _last_of(fields.optional("full_attention_interval") or every, layers, other=Mixing.LINEAR) if every else ()


def channel_layers(fields: Fields, layers: int) -> tuple[Channel, ...]:
    """Return which feed-forward every layer has."""
    if fields.model_type in families.MIXER_ONLY:
        return (Channel.NONE,) * layers
    listed = listed_layers(fields) if fields.model_type in families.ONE_PART else ()
    if not listed:
        return (Channel.USUAL,) * layers
    parts = {"mlp": Channel.DENSE, "moe": Channel.ROUTED}
    return tuple(parts.get(name, Channel.NONE) for name in _filled(listed, layers))


def listed_layers(fields: Fields) -> tuple[str, ...]:
    """Return the names a config gives its layers, empty when it gives none."""
    pattern = fields.text("hybrid_override_pattern")
    if pattern:
        return tuple(_LETTERS.get(letter, letter) for letter in pattern)
    listed = next((found for name in _LISTS if (found := fields.names(name))), ())
    if listed:
        return listed
    repeated = fields.names("block_types") or fields.names("_block_types")
    return repeated * (fields.size("num_hidden_layers") // len(repeated) + 1) if repeated else ()


def shared_blocks(fields: Fields) -> int:
    """Return how many layers call a transformer block they share, as Zamba's do."""
    if fields.model_type not in families.SHARED_BLOCK:
        return 0
    listed = listed_layers(fields)
    if listed:
        return sum(name == _HYBRID for name in listed)
    layers, period, offset = (fields.size(name) for name in ("num_hidden_layers", "attn_layer_period", "attn_layer_offset"))
    return len(range(offset, layers, period))


def _filled(listed: tuple[str, ...], layers: int) -> tuple[str, ...]:
    return (listed + listed[-1:] * layers)[:layers]


def _named(fields: Fields, name: str) -> Mixing:
    if name == _HYBRID:
        return Mixing.LINEAR if fields.model_type in families.SHARED_BLOCK else Mixing.PARALLEL
    found = _MIXING.get(name)
    if found is None:
        raise UnsupportedModel(
            f"the config of {fields.model_id} has layer_types {name!r}",
            param="pretrained_model_uri",
            remedy=f"layers of {', '.join(_MIXING)} can be read",
        )
    return found


def _attending(fields: Fields, layers: int) -> frozenset[int] | None:
    """Return the layers that attend among others that keep a state; None where no field tells of a state."""
    if fields.model_type in families.SHARED_BLOCK or any(fields.states(name) for name in _STATE_FIELDS):
        return frozenset()
    named = _attending_by_list(fields)
    if named:
        return named
    period = fields.optional("attn_layer_period")
    if period:
        return frozenset(range(fields.optional("attn_layer_offset") or 0, layers, period))
    step = fields.optional("mamba_step")  # PLaMo 2: the middle layer of every run of this many attends
    if step:
        return frozenset(range(step // 2, layers, step))
    return frozenset() if fields.optional("mamba_d_state", "ssm_state_size") else None


def _attending_by_list(fields: Fields) -> frozenset[int]:
    """Return the layers a list names: by index, by a kind of each, or by number from 1."""
    named = fields.numbers("attn_layer_indices") or fields.numbers("full_attn_idxs")
    kinds = fields.numbers("attn_type_list")
    counted = fields.numbers_in("linear_attn_config", "full_attn_layers")
    return frozenset(named or [index for index, kind in enumerate(kinds) if kind == 1] or [number - 1 for number in counted])


def _windows(fields: Fields, layers: int) -> tuple[Mixing, ...]:
    """Return which layers slide, by the type's pattern; a window without a pattern holds for every layer."""
    pattern = fields.numbers("hybrid_layer_pattern")
    if len(pattern) == layers:
        return tuple(Mixing.SLIDING if slides else Mixing.FULL for slides in pattern)
    if fields.optional("attention_chunk_size"):
        return _last_of(families.FULL_EVERY.get(fields.model_type, 4), layers, other=Mixing.CHUNKED)
    if fields.flag("use_sliding_window") is False or not fields.optional("sliding_window", "local_attention", "window_size"):
        return (Mixing.FULL,) * layers
    return _sliding(fields, layers)


def _sliding(fields: Fields, layers: int) -> tuple[Mixing, ...]:
    if fields.model_type in families.FULL_FIRST:
        first = families.FULL_FIRST[fields.model_type]
        return tuple(Mixing.SLIDING if index % first else Mixing.FULL for index in range(layers))
    every = fields.optional("sliding_window_pattern", "global_attn_every_n_layers") or families.FULL_EVERY.get(fields.model_type)
    if every:
        return _last_of(every, layers, other=Mixing.SLIDING)
    start = min(layers, fields.optional("max_window_layers") or 0) if fields.flag("use_sliding_window") else 0
    return (Mixing.FULL,) * start + (Mixing.SLIDING,) * (layers - start)


def _last_of(every: int, layers: int, *, other: Mixing) -> tuple[Mixing, ...]:
    """Return layers of which the last of each group sees everything."""
    return tuple(other if (index + 1) % every else Mixing.FULL for index in range(layers))
