"""What the doctor says of the model sets."""

from collections.abc import Iterator
from pathlib import Path

from budsim.adapters.model_cards import cards_of
from budsim.adapters.trained_models import load_model_set
from budsim.app import set_folders
from budsim.cli.checks import Check, State, good, wrong
from budsim.config import PREFIX, Settings


def set_checks(settings: Settings) -> Iterator[Check]:
    """Yield one row for each model set: its version, what it has models for, and what of it cannot be used."""
    folders = set_folders(settings)
    yield _check("model set", folders.primary, variable="pretrained_models_dir", named="pretrained_models_dir" in settings.model_fields_set)
    if folders.second is not None:
        yield _check("second model set", folders.second, variable="shadow_models", named=True)
    if folders.more is not None and not folders.more.is_dir():
        yield wrong("further model sets", f"{PREFIX}MODEL_SETS_DIR = {folders.more} is no folder")
    for folder in folders.folders():
        if folder not in (folders.primary, folders.second):
            yield _check(f"model set {folder.name}", folder, variable="model_sets_dir", named=True)


def _check(name: str, folder: Path, *, variable: str, named: bool) -> Check:
    if not any(cards_of(folder)):  # the default need not exist; one that was named must
        found = f"{PREFIX}{variable.upper()} = {folder} holds no trained model: the heuristic answers"
        return Check(check=name, state=State.WRONG if named else State.ABSENT, found=found)
    loaded = load_model_set(folder)
    pairs = ", ".join(sorted(f"{engine}/{device}" for engine, device in loaded.models)) or "none"
    problems = (*_mixed(folder), *loaded.problems)
    if problems:
        return wrong(name, f"{loaded.version}: {'; '.join(problems)}. Usable: {pairs}; the heuristic answers for the rest")
    return good(name, f"{loaded.version}: {pairs} in {folder}")


def _mixed(folder: Path) -> Iterator[str]:
    """Yield that the cards of a set name several versions: a request can choose none of them."""
    pairs: dict[str, list[str]] = {}
    for card in cards_of(folder):
        if version := card.content.get("version"):
            pairs.setdefault(str(version), []).append(f"{card.engine}/{card.device_type}")
    if len(pairs) > 1:
        named = " and ".join(f"{version} ({', '.join(pairs[version])})" for version in sorted(pairs))
        yield f"cards of {named} stand in {folder}, which was changed in part: put one whole set there and start the workers again"
