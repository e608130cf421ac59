"""Folders of model sets that hold cards alone: what is read without loading a model."""

import json
from pathlib import Path
from typing import Any


def write_card(folder: Path, pair: str, **content: Any) -> Path:
    """Write the card of a pair («vllm/cuda») of a set and return the set's folder."""
    (folder / pair).mkdir(parents=True, exist_ok=True)
    (folder / pair / "card.json").write_text(json.dumps(content))
    return folder
