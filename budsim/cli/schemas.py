"""`budsim schemas`: the wire contract as files, and the guard over its changes."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from budsim.adapters.wire.asyncapi import FILE_NAME, asyncapi_document
from budsim.adapters.wire.compatibility import breaking_changes
from budsim.adapters.wire.schemas import as_text, file_name, message_schema
from budsim.core.errors import InvalidInput
from topics.catalogue import PartitionCounts, topic_specs
from topics.contract import CONVERSATIONS

schemas = typer.Typer()
console = Console(soft_wrap=True, highlight=False)
PREFIX: Final = "budsim."
BREAKS: Final = "breaks.json"
Folder = Annotated[Path, typer.Option(help="Where the schemas are committed", file_okay=False)]
HERE: Final = Path("docs/schemas")


def generated() -> dict[str, str]:
    """Return every file of the contract as it should be: JSON Schemas and the AsyncAPI document."""
    specs = {spec.name.removeprefix(PREFIX): spec for spec in topic_specs(PREFIX, PartitionCounts(), ())}
    files = {file_name(item): as_text(message_schema(item)) for item in CONVERSATIONS}
    return {**files, FILE_NAME: as_text(asyncapi_document(specs, version=version("budsim")))}


@schemas.command()
def write(
    folder: Folder = HERE,
    breaking: Annotated[str | None, typer.Option("--break", help="Why an incompatible change is meant; it is recorded")] = None,
) -> None:
    """Write the JSON Schemas and the AsyncAPI document; an incompatible change is refused unless --break says why.

    Example: budsim schemas write
    """
    wrong = broken(folder)
    if wrong and breaking is None:
        _show(wrong)
        raise InvalidInput("the change breaks callers", remedy="add a field with a default, make a new version, or say --break REASON")
    folder.mkdir(parents=True, exist_ok=True)
    if wrong:
        _record(folder, [name for name, _ in wrong], breaking or "")
    for name, text in generated().items():
        (folder / name).write_text(text, encoding="utf-8")
    console.print(f"{len(generated())} files written to {folder}")


@schemas.command()
def check(folder: Folder = HERE) -> None:
    """Compare the committed schemas with the models: 1 when they differ, or when a change since any committed version breaks callers.

    Example: budsim schemas check
    """
    wrong = [(name, "differs from the models; run: budsim schemas write") for name in stale(folder)] + broken(folder)
    _show(wrong)
    if wrong:
        raise typer.Exit(1)
    console.print(f"{len(generated())} schemas are those of the models and break nobody")


def stale(folder: Path) -> list[str]:
    """Return the files that differ from what is generated, are missing, or are not known."""
    wanted = generated()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json") if path.name != BREAKS}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def broken(folder: Path) -> list[tuple[str, str]]:
    """Return the changes that break callers, by file: since any version that was committed, back to the last break that was meant."""
    meant = {item["sha256"] for item in _breaks(folder)}
    found = []
    for item in CONVERSATIONS:
        name, new = file_name(item), message_schema(item)
        for text in _promised(folder / name, meant):
            found += [(name, change) for change in breaking_changes(json.loads(text), new, item.direction)]
    return list(dict.fromkeys(found))


def _promised(path: Path, meant: set[str]) -> Iterator[str]:
    """Yield a file's versions, newest first, up to the one that a break was meant to begin with."""
    for text in _versions(path):
        yield text
        if _digest(text) in meant:
            return


def _versions(path: Path) -> Iterator[str]:
    """Yield the file as it is, then as every commit left it; without git only as it is."""
    if path.exists():
        yield path.read_text(encoding="utf-8")
    for commit in _git(path.parent, "log", "--format=%H", "--", path.name).split():
        text = _git(path.parent, "show", f"{commit}:./{path.name}")
        if text:
            yield text


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError:  # no git here, or no folder yet
        return ""
    return done.stdout if done.returncode == 0 else ""


def _record(folder: Path, names: list[str], reason: str) -> None:
    texts = generated()
    added = [{"file": name, "reason": reason, "sha256": _digest(texts[name])} for name in dict.fromkeys(names) if name in texts]
    (folder / BREAKS).write_text(json.dumps(_breaks(folder) + added, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _breaks(folder: Path) -> list[dict[str, Any]]:
    path = folder / BREAKS
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _show(wrong: list[tuple[str, str]]) -> None:
    for name, text in wrong:
        console.print(f"{name}: {text}", markup=False)
