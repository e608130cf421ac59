"""A MemoryModel over the package llm-memory-calculator, for whoever has it installed: its weights and cache, the contract's rule."""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

import numpy as np

from budsim.core.engines.candidates import Candidate, Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.errors import Unavailable
from budsim.core.memory.analytic import Fixed, plan_of
from budsim.core.memory.overheads import graphs_bytes, graphs_inside_bytes, non_torch_bytes
from budsim.core.memory.plan import MemoryPlan
from budsim.core.model.parameters import parameter_count
from budsim.core.model.spec import AttentionKind, ModelSpec, Precision
from budsim.core.model.weights import weight_bytes

PACKAGE: Final = "llm_memory_calculator"
NO_OVERHEAD: Final = 1.0  # of its framework_overhead: ours are added here, by engine release
_NAMES: Final = {Precision.FP32: "fp32", Precision.FP16: "fp16", Precision.BF16: "bf16", Precision.FP8: "fp8", Precision.INT8: "int8"}


class Report(Protocol):
    """What is read of the package's MemoryReport. [bytes]"""

    weight_memory_bytes: float
    kv_cache_bytes: float
    activation_memory_bytes: float


class Calculator(Protocol):
    """What is used of the package's ModelMemoryCalculator."""

    def calculate_total_memory(self, config: dict[str, Any], **options: Any) -> Report:
        """Return the memory of a model under one load."""
        ...


def is_installed() -> bool:
    """Return whether the package can be imported."""
    try:
        return importlib.util.find_spec(PACKAGE) is not None
    except ValueError:  # a module put into sys.modules by hand has no spec
        return True


def load_calculator() -> Calculator:
    """Return the package's calculator.

    Raises:
        Unavailable: The package is not installed, or its interface is another.
    """
    try:
        return cast("Calculator", importlib.import_module(PACKAGE).ModelMemoryCalculator())
    except (ImportError, AttributeError) as error:
        raise Unavailable(f"{PACKAGE} cannot be used ({error})", remedy="pip install llm-memory-calculator") from error


class CalculatorMemory:
    """The package's weights, cache and activations, one call a candidate, under the same rule of fitting."""

    def __init__(self, calculator: Calculator) -> None:
        self._calculator = calculator

    def plan(self, scenario: Scenario, candidates: Candidates) -> MemoryPlan:
        """Return the plan of every candidate, in order."""
        reports = [self._report(scenario, candidates.row(index)) for index in range(len(candidates))]
        share = 1.0 / (candidates.tensor_parallel * candidates.pipeline_parallel)
        stored = weight_bytes(scenario.model) / max(1.0, parameter_count(scenario.model) * _width(scenario.model))
        fixed = Fixed(
            weights_bytes=_column(reports, "weight_memory_bytes") * stored * share,
            activation_bytes=_column(reports, "activation_memory_bytes") / candidates.tensor_parallel,
            non_torch_bytes=non_torch_bytes(scenario, candidates),
            graphs_bytes=graphs_bytes(scenario, candidates),
            graphs_inside_bytes=graphs_inside_bytes(scenario, candidates),
        )
        return plan_of(scenario, candidates, fixed=fixed, sequence=_column(reports, "kv_cache_bytes") * _cache_share(scenario, candidates))

    def _report(self, scenario: Scenario, candidate: Candidate) -> Report:
        blocks = -(-scenario.workload.sequence_tokens // candidate.block_size)
        options = {"batch_size": 1, "seq_length": blocks * candidate.block_size, "tensor_parallel": 1, "framework_overhead": NO_OVERHEAD}
        config = config_of(scenario.model)
        weights = self._calculator.calculate_total_memory(config, precision=_NAMES[_precision(scenario.model)], **options)
        if candidate.kv_precision is _precision(scenario.model):
            return weights
        cache = self._calculator.calculate_total_memory(config, precision=_NAMES.get(candidate.kv_precision, "bf16"), **options)
        return _Joined(weights, cache)


class _Joined:
    """A report whose cache has another width than its weights."""

    def __init__(self, weights: Report, cache: Report) -> None:
        self.weight_memory_bytes = weights.weight_memory_bytes
        self.activation_memory_bytes = weights.activation_memory_bytes
        self.kv_cache_bytes = cache.kv_cache_bytes


def config_of(model: ModelSpec) -> dict[str, Any]:
    """Return the fields of a config the package reads; layers of several shapes are told by the commonest."""
    block = max(model.blocks, key=lambda each: each.count, default=None)
    attention = block.attention if block else None
    fields: dict[str, Any] = {
        "model_type": model.model_type,
        "num_parameters": parameter_count(model),
        "hidden_size": model.hidden_size,
        "vocab_size": model.vocab_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.query_heads,
        "num_key_value_heads": attention.kv_heads if attention else 0,
        "head_dim": attention.head_dim if attention else 0,
        "intermediate_size": block.feed_forward.intermediate_size if block else 0,
        "tie_word_embeddings": model.tied_embeddings,
        "max_position_embeddings": model.max_context_length,
    }
    return fields if attention is None or attention.kind is not AttentionKind.MLA else {**fields, **_latent(model)}


def _latent(model: ModelSpec) -> Mapping[str, int]:
    attention = model.blocks[0].attention
    return {
        "kv_lora_rank": attention.kv_lora_rank,
        "q_lora_rank": attention.q_lora_rank,
        "qk_rope_head_dim": attention.rope_head_dim,
        "qk_nope_head_dim": attention.head_dim,
        "v_head_dim": attention.value_head_dim,
    }


def _cache_share(scenario: Scenario, candidates: Candidates) -> FloatArray:
    """Return the part of a sequence's cache one device holds: heads are split, a latent is not."""
    stages = 1.0 / candidates.pipeline_parallel
    heads = max((block.attention.kv_heads for block in scenario.model.blocks), default=0)
    if not heads or any(block.attention.kind is AttentionKind.MLA for block in scenario.model.blocks):
        return np.asarray(stages)
    return np.asarray(stages * np.ceil(heads / candidates.tensor_parallel) / heads)


def _precision(model: ModelSpec) -> Precision:
    return model.precision if model.precision in _NAMES else Precision.BF16


def _width(model: ModelSpec) -> float:
    return _precision(model).bytes


def _column(reports: list[Report], name: str) -> FloatArray:
    return np.array([float(getattr(report, name)) for report in reports], dtype=np.float64)
