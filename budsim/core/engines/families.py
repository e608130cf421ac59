"""What the engines make of an architecture: who runs it, its family, and the parsers they have for its models.

`architectures.csv` holds the facts: vLLM's and SGLang's model registries, and their pages on tool calling and reasoning. A row with
`name_part` stands for the models of that architecture whose id contains it, and goes before the architecture's plain row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from budsim.core.engines.spec import EngineKind
from budsim.core.engines.tables import rows
from budsim.core.model.spec import ModelSpec


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


def family_of(model: ModelSpec, engine: EngineKind) -> Family:
    """Return the family of a model, parsers named as this engine names them; an unlisted model is a family of its own."""
    row = _row_of(model)
    if row is None:
        return Family(name=model.model_type)
    if engine not in (EngineKind.VLLM, EngineKind.SGLANG):
        return Family(name=row["family"])
    return Family(
        name=row["family"],
        tool_parser=row[f"{engine}_tool"] or None,
        reasoning_parser=row[f"{engine}_reasoning"] or None,
        chat_template=row["chat_template"] or None,
    )


def runs_architecture(model: ModelSpec, engine: EngineKind) -> bool:
    """Whether vLLM or SGLang has this architecture in its registry.

    An architecture nobody listed goes to vLLM, which falls back to the Transformers implementation of a causal model; a config that
    names no architecture is judged by its shape alone.
    """
    if not model.architectures:
        return True
    row = _row_of(model)
    if row is None:
        return engine is EngineKind.VLLM and any(name.endswith("ForCausalLM") for name in model.architectures)
    return row[engine] == "1"


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
