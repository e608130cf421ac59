"""The towers of a multimodal model: what turns images and sound into tokens."""

from collections.abc import Mapping
from typing import Any

from budsim.core.model.config_encoder import speech_layers
from budsim.core.model.config_fields import Fields

_WIDTH = ("embed_dim", "vt_hidden_size", "hidden_size", "width")
_DEPTH = ("num_hidden_layers", "vt_num_hidden_layers", "depth", "layers", "num_layers")
CHANNELS = 3  # red, green, blue
GATED = frozenset({"gemma4_vision", "qwen2_5_vl", "qwen2_5_vl_vision", "qwen2_5_omni_vision_encoder"})
_INNER = ("intermediate_size", "vt_intermediate_size")


def tower_parameters(config: Mapping[str, Any], model_id: str, hidden: int) -> int:
    """Return the towers of a config and the projections behind them; nothing where their sizes are not given."""
    return _vision(_section(config, "vision_config"), model_id, hidden) + _audio(_section(config, "audio_config"), model_id, hidden)


def unread_towers(config: Mapping[str, Any], model_id: str) -> tuple[str, ...]:
    """Return the towers whose sizes their section does not give."""
    sections = {name: _section(config, name) for name in ("vision_config", "audio_config")}
    counted = {"vision_config": _vision, "audio_config": _audio}
    return tuple(name for name, section in sections.items() if section and not counted[name](section, model_id, 1))


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = config.get(name)
    if isinstance(value, Mapping):
        return value
    inner = config.get("thinker_config")
    return _section(inner, name) if isinstance(inner, Mapping) else {}


def _vision(section: Mapping[str, Any], model_id: str, hidden: int) -> int:
    """Return a transformer and the projection behind it.

    Source:
        Vision Transformer, Dosovitskiy et al. 2021: four projections and two feed-forward matrices a layer, patches and positions before.
    """
    vision = Fields(section, model_id, sparse=True)
    width, depth = vision.optional(*_WIDTH), vision.optional(*_DEPTH)
    if not width or not depth:
        return 0
    inner = vision.optional(*_INNER) or 4 * width
    matrices = 3 if vision.model_type in GATED else 2
    layer = width * (4 * width + matrices * inner) + 9 * width + inner
    return depth * layer + _patches(vision, width) + _merger(vision, width, hidden)


def _patches(vision: Fields, width: int) -> int:
    """Return what turns the pixels of a patch into a value each, and the positions."""
    side = vision.optional("patch_size", "spatial_patch_size")
    if side is None:
        return 0
    channels = vision.optional("in_channels", "num_channels", "in_chans") or CHANNELS
    pixels = side * side * channels * (vision.optional("temporal_patch_size") or 1)
    return (pixels + _places(vision, side)) * width


def _places(vision: Fields, side: int) -> int:
    tables = vision.optional("position_embedding_size")
    if tables:
        return 2 * tables  # one for rows, one for columns
    return vision.optional("num_position_embeddings") or ((vision.optional("image_size") or 0) // side) ** 2


def _merger(vision: Fields, width: int, hidden: int) -> int:
    """Return what joins patches and widens them to tokens; Qwen-VL has one behind each of several depths too."""
    merged = width * (vision.optional("spatial_merge_size") or 1) ** 2
    if merged == width:
        return width * hidden
    deep = len(vision.numbers("deepstack_visual_indexes"))
    return (1 + deep) * (merged * merged + merged * hidden + merged + hidden)


def _audio(section: Mapping[str, Any], model_id: str, hidden: int) -> int:
    """Return an encoder of Whisper's build and the projection behind it."""
    audio = Fields(section, model_id, sparse=True)
    width = audio.optional("d_model", "hidden_size")
    if not width or not audio.optional("num_mel_bins") or not audio.optional("encoder_layers", "num_hidden_layers"):
        return 0
    if not audio.optional("encoder_ffn_dim", "intermediate_size"):
        return 0
    return speech_layers(audio, width) + width * hidden
