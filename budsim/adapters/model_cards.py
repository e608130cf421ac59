"""What the cards of a model set say; nothing else of it is read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CARD: Final = "card.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card of one engine and device type."""

    engine: str
    device_type: str
    content: Mapping[str, Any]


def cards_of(folder: Path) -> Iterator[Card]:
    """Yield the cards of a set, by engine and device type; one that cannot be read is empty."""
    for path in sorted(folder.glob(f"*/*/{CARD}")):
        yield Card(engine=path.parent.parent.name, device_type=path.parent.name, content=_content(path))


def set_version(folder: Path) -> str:
    """Return the version of a set: the one its cards name; empty where there is none."""
    versions = sorted({str(card.content["version"]) for card in cards_of(folder) if card.content.get("version")})
    return "+".join(versions)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
