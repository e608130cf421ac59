"""Our top-level packages have plain names; another installed package of the same name would be run in our place."""

import importlib.util
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

from typer import Exit

from budsim.cli.checks import Check, good, tell, wrong
from budsim.cli.output import errors

OURS: Final = ("agents", "topics", "tables")
_ROOT: Final = Path(__file__).resolve().parents[2]
EXIT_CODE: Final = 3


def shadow_of(name: str) -> str | None:
    """Return where Python finds another package than ours under this name, if it does."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return "no folder at all"
    places = [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin or "."]]
    return None if places == [_ROOT / name] else str(places[0])


def check_package(name: str) -> Check:
    """Return whether Python finds our package under this name, and no other distribution has put files into it."""
    shadow = shadow_of(name)
    others = sorted({owner for owner in packages_distributions().get(name, []) if owner != "budsim"})
    if shadow:
        return wrong(f"package {name}", f"found in {shadow}, which is not ours. Uninstall or move the other one.")
    if others:
        found = f"{', '.join(others)} installs files under this name too. Uninstall it, then install budsim again."
        return wrong(f"package {name}", found)
    return good(f"package {name}", "ours")


def refuse_shadows(words: list[str]) -> None:
    """End where Python finds something else under our names, since nothing of ours could be imported; the doctor tells all it can."""
    found = {name: place for name in OURS if (place := shadow_of(name)) is not None}
    if not found:
        return
    if words[:1] == ["doctor"]:
        rest = wrong("everything else", "not checked: what is named here keeps BudSim from starting")
        try:
            tell([*map(check_package, OURS), rest], as_json="--json" in words)
        except Exit as bad:
            sys.exit(bad.exit_code)
    for name, place in found.items():
        errors().print(f"budsim: the package «{name}» is found in {place}, not in {_ROOT / name}. Uninstall or move the other one.")
    sys.exit(EXIT_CODE)
