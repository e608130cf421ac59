"""What a config says that its shape does not hold: named, so that an answer can say it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from budsim.core.model import config_families as families
from budsim.core.model.config_encoder import has_encoder
from budsim.core.model.config_fields import Fields, type_defaults
from budsim.core.model.config_towers import unread_towers

MOST_NAMED: Final = 8
# fields whose name speaks of sizes; one that no reader asked for may hold weights that are not counted
_SIZE: Final = re.compile(r"(^|_)(num|n)_|_(size|dim|rank|heads|layers|experts|width|period|pattern|config)$|^(d|n)_")
_HARMLESS: Final = re.compile(
    r"token|vocab|label|beam|return|mtp|nextn|rope|rotary|init|window|position|group|pretraining|chunk|quantization|dtype|logits|cache"
    r"|(vision|audio|image|video|text|llm|thinker|talker|generation)_|max_|no_repeat|embd_pdrop|drop"
)
KNOWN_BESIDE: Final = frozenset(
    {"nemotron-nas", "deci", "kimi_k2", "mimo", "deepseek", "chatglm", "baichuan", "internlm", "internlm2", "internlm3", "exaone", "aquila"}
)


def notes_of(fields: Fields, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an answer about this model should say, once every reader has asked for its fields.

    Args:
        fields: The text part, after its layers were read.
        config: The whole config.
    """
    return tuple(note for note in (*_unknown(fields), *_towers(fields, config), *_approximations(fields)) if note)


def _unknown(fields: Fields) -> Iterable[str]:
    kind = fields.model_type
    if kind in type_defaults() or kind in families.READ or kind in KNOWN_BESIDE:
        return
    yield f"model_type {kind!r} of {fields.model_id} is not known: its shape was read by field names"
    unread = [name for name in fields.unread() if _SIZE.search(name) and not _HARMLESS.search(name)]
    if unread:
        more = f" and {len(unread) - MOST_NAMED} more" if len(unread) > MOST_NAMED else ""
        yield f"fields of {fields.model_id} that were not read: {', '.join(unread[:MOST_NAMED])}{more}"


def _towers(fields: Fields, config: Mapping[str, Any]) -> Iterable[str]:
    for name in unread_towers(config, fields.model_id):
        yield f"{name} of {fields.model_id} gives no sizes that can be read: the tower's weights are not counted"


def _approximations(fields: Fields) -> Iterable[str]:
    if fields.optional("index_topk"):
        yield f"{fields.model_id} attends to a chosen part of the context; its time is that of attention to all of it"
    if fields.optional(families.ZERO_EXPERTS):
        yield f"{fields.model_id} routes tokens to experts that pass them on: the mean number of real experts is reckoned with"
    if has_encoder(fields):
        yield f"{fields.model_id} has an encoder: the time of a prompt is that of its decoder's layers"
