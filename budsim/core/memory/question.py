"""One question about one deployment, and its answer in the engine's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from budsim.core.elementwise import Figure, column
from budsim.core.engines.candidates import Candidate, Candidates
from budsim.core.engines.defaults import started_sequences, started_step_tokens
from budsim.core.engines.images import VERSIONS
from budsim.core.engines.knobs import default_candidate
from budsim.core.engines.releases import version_key
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.devices import named_device
from budsim.core.memory.startup import default_share, startup
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelSpec, Precision
from budsim.core.units import bytes_to_gib
from budsim.core.workload import Workload

T = TypeVar("T")
DTYPES: Final = {
    "bfloat16": Precision.BF16,
    "bf16": Precision.BF16,
    "float16": Precision.FP16,
    "fp16": Precision.FP16,
    "half": Precision.FP16,
    "float32": Precision.FP32,
    "fp32": Precision.FP32,
    "float": Precision.FP32,
}
KV_DTYPES: Final = {
    **{name: width for name, width in DTYPES.items() if width is not Precision.FP32},
    **dict.fromkeys(("fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc"), Precision.FP8),
}
FALLBACK_CONTEXT: Final = 4096  # tokens, where a config does not say how long a sequence may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A deployment as it would be started; None and «auto» stand for the engine's own default."""

    model: ModelSpec
    device: str
    engine: str = "vllm"
    engine_version: str | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    share: float | None = None
    max_model_len: int | None = None
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    dtype: str = "auto"
    kv_dtype: str = "auto"
    quantization: str | None = None
    device_memory_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Per device of the fullest stage, but for tokens and concurrency, which are the replica's.

    Attributes:
        fits: Whether the engine would start and hold one sequence of max_model_len.
        max_model_len: The length judged. [tokens]
        max_concurrency: Sequences of that length at once.
    """

    fits: bool
    weights_gib: float
    kv_bytes_per_token: float
    kv_cache_gib: float
    kv_cache_tokens: int
    activation_gib: float
    non_torch_gib: float
    cuda_graph_gib: float
    max_concurrency: float
    max_model_len: int
    share: float
    budget_gib: float


def answer(question: Question) -> Answer:
    """Return what the engine would print for one deployment.

    Raises:
        InvalidInput: A device, engine, dtype or format that is not known.
    """
    scenario, candidate, length = _set_up(question)
    rows = Candidates.from_rows([candidate])
    share = default_share(scenario, rows) if question.share is None else np.full(1, question.share)
    found = startup(scenario, rows, share=share, length_tokens=length)
    concurrency = float(found.max_concurrency[0])
    return Answer(
        fits=bool(found.kv_cache_bytes[0] >= 0.0 and concurrency >= 1.0),
        weights_gib=_gib(found.fixed.weights_bytes),
        kv_bytes_per_token=float(found.kv_bytes_per_token[0]),
        kv_cache_gib=_gib(found.kv_cache_bytes),
        kv_cache_tokens=int(found.kv_cache_tokens[0]),
        activation_gib=_gib(found.fixed.activation_bytes),
        non_torch_gib=_gib(found.fixed.non_torch_bytes),
        cuda_graph_gib=_gib(found.fixed.graphs_bytes),
        max_concurrency=concurrency,
        max_model_len=length,
        share=float(share[0]),
        budget_gib=_gib(found.budget_bytes),
    )


def _gib(figure: Figure) -> float:
    return bytes_to_gib(float(column(figure, 1)[0]))


def _set_up(question: Question) -> tuple[Scenario, Candidate, int]:
    """Return the scenario, the deployment and the length it is judged for."""
    device = named_device(question.device, memory_bytes=question.device_memory_bytes)
    kind = _one_of(question.engine, {each.value: each for each in (EngineKind.VLLM, EngineKind.SGLANG)}, param="engine")
    engine = EngineProfile(kind=kind, version=question.engine_version or VERSIONS[kind], image="", preference=0)
    model = _shaped(question)
    length = question.max_model_len or model.max_context_length or FALLBACK_CONTEXT
    scenario = Scenario(
        model=model,
        device=device,
        memory_bytes=device.memory_bytes,
        engine=engine,
        workload=Workload(input_tokens=length, output_tokens=1, concurrency=1, max_context_length=length),
    )
    return scenario, _candidate(question, scenario, length), length


def _shaped(question: Question) -> ModelSpec:
    model = question.model
    if question.dtype != "auto":
        model = replace(model, precision=_one_of(question.dtype, DTYPES, param="dtype"))
    return quantize(model, question.quantization) if question.quantization else model


def _candidate(question: Question, scenario: Scenario, length: int) -> Candidate:
    engine, device = scenario.engine, scenario.device
    version = version_key(engine.version)
    sockets = question.tensor_parallel if device.device_type is DeviceType.CPU else 1
    sequences = question.max_num_seqs or sockets * started_sequences(engine.kind, version, device)
    step = started_step_tokens(engine.kind, version, device, context_tokens=length)
    tokens = question.max_num_batched_tokens or max(sockets * step, sequences)
    usual = default_candidate(
        scenario,
        tensor_parallel=question.tensor_parallel,
        pipeline_parallel=question.pipeline_parallel,
        concurrency=1,
    )
    return replace(
        usual,
        max_num_seqs=sequences,
        max_num_batched_tokens=tokens,
        kv_precision=_kv_precision(question, scenario.model),
    )


def _kv_precision(question: Question, model: ModelSpec) -> Precision:
    if question.kv_dtype != "auto":
        return _one_of(question.kv_dtype, KV_DTYPES, param="kv_dtype")
    return model.precision if model.precision.bytes >= Precision.BF16.bytes else Precision.BF16


def _one_of(name: str, known: Mapping[str, T], *, param: str) -> T:
    found = known.get(name.strip().lower())
    if found is None:
        raise InvalidInput(f"{param} {name!r} is not known", param=param, remedy=f"use one of {', '.join(known)}")
    return found
