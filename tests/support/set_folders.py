"""Copies of the model set that ships, changed."""

import json
import shutil
from pathlib import Path

from budsim.config import SHIPPED_MODELS


def copied_set(folder: Path, *, version: str | None = None) -> Path:
    """Copy the shipped set, under a version of its own if one is given, and return the copy."""
    shutil.copytree(SHIPPED_MODELS, folder)
    if version is not None:
        for card in folder.rglob("card.json"):
            card.write_text(json.dumps(json.loads(card.read_text(encoding="utf-8")) | {"version": version}), encoding="utf-8")
    return folder


def break_pair(folder: Path, pair: str) -> Path:
    """Cut off the files of the models of a pair («vllm/cuda») and return the set's folder."""
    for file in (folder / pair).glob("*.ubj"):
        file.write_bytes(file.read_bytes()[:-100])
    return folder
