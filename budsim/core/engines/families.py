"""Architecture families and the parsers engines have for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from budsim.core.engines.spec import EngineKind
from budsim.core.model.spec import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Name of a family, with the parsers its models need; None where an engine has none."""

    name: str
    tool_parser: str | None = None
    reasoning_parser: str | None = None


# model_type → vLLM's family; parser names as in the tool-calling and reasoning pages of vLLM's documentation
_VLLM: Final[Mapping[str, Family]] = {
    "llama": Family(name="llama", tool_parser="llama3_json"),
    "mistral": Family(name="mistral", tool_parser="mistral"),
    "mixtral": Family(name="mistral", tool_parser="mistral"),
    "qwen2": Family(name="qwen", tool_parser="hermes"),
    "qwen2_moe": Family(name="qwen", tool_parser="hermes"),
    "qwen3": Family(name="qwen", tool_parser="hermes", reasoning_parser="qwen3"),
    "qwen3_moe": Family(name="qwen", tool_parser="hermes", reasoning_parser="qwen3"),
    "deepseek_v3": Family(name="deepseek", tool_parser="deepseek_v3", reasoning_parser="deepseek_r1"),
    "deepseek_v2": Family(name="deepseek"),
    "gpt_oss": Family(name="gpt-oss", tool_parser="openai", reasoning_parser="openai_gptoss"),
    "gemma2": Family(name="gemma"),
    "gemma3": Family(name="gemma"),
    "phi3": Family(name="phi"),
}
# where SGLang calls a parser otherwise, as in its documentation of --tool-call-parser and --reasoning-parser
_SGLANG_TOOLS: Final = {"llama3_json": "llama3", "hermes": "qwen25", "deepseek_v3": "deepseekv3", "openai": "gpt-oss"}
_SGLANG_REASONING: Final = {"deepseek_r1": "deepseek-r1", "openai_gptoss": "gpt-oss"}


def family_of(model: ModelSpec, engine: EngineKind) -> Family:
    """Return the family of a model, parsers named as this engine names them."""
    family = _VLLM.get(model.model_type, Family(name=model.model_type))
    if engine is not EngineKind.SGLANG:
        return family
    tool, reasoning = family.tool_parser or "", family.reasoning_parser or ""
    return Family(
        name=family.name,
        tool_parser=_SGLANG_TOOLS.get(tool, tool) or None,
        reasoning_parser=_SGLANG_REASONING.get(reasoning, reasoning) or None,
    )
