"""A module with the interface of llm-memory-calculator 0.1: ModelMemoryCalculator.calculate_total_memory → MemoryReport, in bytes."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0}


@dataclass
class FakeReport:
    weight_memory_bytes: float
    kv_cache_bytes: float
    activation_memory_bytes: float


class FakeCalculator:
    """Counts as the package does: parameters × width, two values a head and token, and all heads of a layer alike."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def calculate_total_memory(
        self,
        config: dict[str, Any],
        batch_size: int = 1,
        seq_length: int = 2048,
        precision: str = "fp16",
        tensor_parallel: int = 1,
        framework_overhead: float = 1.2,
    ) -> FakeReport:
        self.asked.append({"seq_length": seq_length, "precision": precision})
        width = BYTES[precision]
        latent = config.get("kv_lora_rank")
        values = latent + config["qk_rope_head_dim"] if latent else 2 * config["num_key_value_heads"] * config["head_dim"]
        return FakeReport(
            weight_memory_bytes=config["num_parameters"] * width * framework_overhead,
            kv_cache_bytes=batch_size * seq_length * config["num_hidden_layers"] * values * width,
            activation_memory_bytes=batch_size * seq_length * config["hidden_size"] * width,
        )


def fake_module() -> ModuleType:
    """Return what `import llm_memory_calculator` would."""
    module = ModuleType("llm_memory_calculator")
    module.ModelMemoryCalculator = FakeCalculator  # type: ignore[attr-defined]
    return module
