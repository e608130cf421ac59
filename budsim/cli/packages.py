"""Our top-level packages have plain names; another installed package of the same name would be run in our place."""

import importlib.util
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

from budsim.cli.output import errors

OURS: Final = ("agents", "topics", "tables")
_ROOT: Final = Path(__file__).resolve().parents[2]
EXIT_CODE: Final = 3


def shadow_of(name: str) -> str | None:
    """Return where Python finds another package than ours under this name, if it does."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return "nowhere"
    places = [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin or "."]]
    return None if places == [_ROOT / name] else str(places[0])


def owners_beside_us(name: str) -> list[str]:
    """Return other distributions that installed files under this name, perhaps over ours."""
    return sorted({owner for owner in packages_distributions().get(name, []) if owner != "budsim"})


def refuse_shadows() -> None:
    """End with one line for each name under which Python finds something else; nothing of ours could be imported."""
    found = {name: place for name in OURS if (place := shadow_of(name)) is not None}
    for name, place in found.items():
        errors().print(f"budsim: the package «{name}» is found in {place}, not in {_ROOT / name}. Uninstall or move the other one.")
    if found:
        sys.exit(EXIT_CODE)
