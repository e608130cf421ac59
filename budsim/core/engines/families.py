"""What the engines make of an architecture: who runs it, its family, and the parsers they have for its models.

`architectures.csv` holds the facts, `architecture_sources.csv` where they were read. A row with `name_part` stands for the models of that
architecture whose id contains it, and goes before the architecture's plain row. Of several parsers in one cell the first counts that the
release has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from budsim.core.engines.flags import has_choice
from budsim.core.engines.releases import Release, registered_architectures
from budsim.core.engines.spec import EngineKind
from budsim.core.engines.tables import rows
from budsim.core.model.spec import ModelSpec

# causal models whose Transformers implementation cannot take another attention, which the fallback of vLLM needs: its
# model_executor/models/transformers and modeling_codegen.py of Transformers
NO_FALLBACK: Final = frozenset({"CodeGenForCausalLM"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What one engine has for a model; None where it has nothing.

    Attributes:
        name: Family of the architecture.
        chat_template: Name of the tool-calling template among the engine's examples.
    """

    name: str
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    chat_template: str | None = None


def family_of(model: ModelSpec, release: Release) -> Family:
    """Return the family of a model, with the parsers this release has for it; an unlisted model is a family of its own."""
    row = _row_of(model)
    if row is None:
        return Family(name=model.model_type)
    if release.engine not in (EngineKind.VLLM, EngineKind.SGLANG):
        return Family(name=row["family"])
    return Family(
        name=row["family"],
        tool_parser=_first_of(row[f"{release.engine}_tool"], "tool-call-parser", release),
        reasoning_parser=_first_of(row[f"{release.engine}_reasoning"], "reasoning-parser", release),
        chat_template=row["chat_template"] or None,
    )


def runs_architecture(model: ModelSpec, release: Release) -> bool:
    """Whether a release of vLLM or SGLang has this architecture in its registry.

    A causal model that is not in it goes to vLLM, which falls back to the Transformers implementation; a config that names no
    architecture is judged by its shape alone.
    """
    if not model.architectures or registered_architectures(release).keys() & set(model.architectures):
        return True
    falls_back = release.engine is EngineKind.VLLM and NO_FALLBACK.isdisjoint(model.architectures)
    return falls_back and any(name.endswith("ForCausalLM") for name in model.architectures)


def _first_of(names: str, flag: str, release: Release) -> str | None:
    return next((name for name in names.split("|") if has_choice(release, flag, name)), None)


def _row_of(model: ModelSpec) -> Mapping[str, str] | None:
    for architecture in model.architectures:
        for row in _by_architecture().get(architecture, ()):
            if row["name_part"].lower() in model.model_id.lower():
                return row
    return None


@cache
def _by_architecture() -> Mapping[str, tuple[Mapping[str, str], ...]]:
    found: dict[str, tuple[Mapping[str, str], ...]] = {}
    for row in rows("architectures.csv"):
        found[row["architecture"]] = (*found.get(row["architecture"], ()), row)
    return found
