"""A measured row as the run it was: scenario and candidate, or the reason why it cannot be predicted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.knobs import default_candidate
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.errors import BudSimError, InvalidInput, ModelNotFound, UnknownDevice, UnsupportedModel
from budsim.core.hardware.matching import match_name
from budsim.core.hardware.spec import Accelerator
from budsim.core.model.catalogue import catalogue, catalogue_model
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import AttentionKind, ModelSpec, Precision, Quantization
from budsim.core.units import GB
from budsim.core.workload import BENCHMARK_ROUNDS, LoadMode, Workload
from budsim.services.accuracy.rows import MeasuredRow, RowMode

# CONTRACT: tokens up to 10⁷, concurrency up to 10⁵; the degrees and knobs no engine goes beyond
MOST: Final = {
    "input_tokens": 1e7,
    "output_tokens": 1e7,
    "concurrency": 1e5,
    "request_rate_per_s": 1e6,
    "requests": 1e9,
    "tensor_parallel": 1e4,
    "pipeline_parallel": 1e4,
    "data_parallel": 1e4,
    "expert_parallel": 1e4,
    "max_num_seqs": 1e6,
    "max_num_batched_tokens": 1e7,
}
CPU_MEMORY_BYTES: Final = 512 * GB  # a host's memory is not in the rows
RECENT: Final = {EngineKind.VLLM: "0.11.0", EngineKind.SGLANG: "0.5.9"}  # what most of the measured runs had
# Devices of llama.cpp hold layers each and take turns (--split-mode layer, its default): the time is that of one. Of 40 points on one and
# on four A100, H100, MI250 or MI300X, those on four took 0.98 to 1.17 times as long.
TAKING_TURNS: Final = frozenset({"llama.cpp"})
NARROW_WEIGHTS: Final = frozenset({Precision.FP8, Precision.FP4})
Models = Mapping[str, ModelSpec | UnsupportedModel]
_SUFFIX: Final = re.compile(
    r"[-_.](nv|mx)?(fp4|fp8|bf16|int4|int8|awq|gptq|w4a16|w8a8|fp8[-_]kv|gguf|dynamic|quantized.*|hf)$", re.IGNORECASE
)
_NAMED_FORMAT: Final = re.compile(r"nvfp4|mxfp4|fp8|awq|gptq|int4|int8|w4a16|w8a8|fp4", re.IGNORECASE)
_FORMATS: Final = {"fp4": "nvfp4", "fp8_e4m3": "fp8", "fp8-kv": "fp8", "float8": "fp8", "w8a8-int8": "int8", "w4a8": "awq", "half": "fp16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What ran: everything of a scenario, and its one candidate."""

    scenario: Scenario
    candidate: Candidate


def run_of(row: MeasuredRow, models: Models) -> Run:
    """Return the run of a row.

    Args:
        row: What was measured.
        models: Shapes by lower-case name, looked up before the catalogue.

    Raises:
        BudSimError: Model, device, load mode or a length is missing or not known; the message is the row's status.
    """
    _refuse_beyond(row)
    workload = _workload(row)
    device = _device(row)
    model = _served(row, _model(row, models), device)
    engine = EngineProfile(
        kind=EngineKind.SGLANG if row.engine == EngineKind.SGLANG else EngineKind.VLLM,
        version=row.engine_version,
        image="",
        preference=0,
        runtime=row.engine or None,
    )
    scenario = Scenario(model=model, device=device, memory_bytes=device.memory_bytes, engine=engine, workload=workload)
    return Run(scenario=scenario, candidate=_candidate(row, scenario))


def _refuse_beyond(row: MeasuredRow) -> None:
    """Refuse figures that no deployment has."""
    for name, most in MOST.items():
        value = getattr(row, name)
        if value is not None and value > most:
            raise InvalidInput(f"{name} is {value:g}, more than {most:g}", param=name)


def _workload(row: MeasuredRow) -> Workload:
    if row.mode not in set(RowMode):
        raise InvalidInput(f"load mode {row.mode or 'not given'} is not predicted", param="load_mode")
    if row.input_tokens is None or row.output_tokens is None:
        raise InvalidInput("input or output tokens are not given", param="input_tokens")
    is_open = row.mode in (RowMode.RATE, RowMode.RATE_BURST)
    if is_open and row.request_rate_per_s is None:
        raise InvalidInput("request rate is not given", param="request_rate")
    if not is_open and row.concurrency is None:
        raise InvalidInput("concurrency is not given", param="concurrency")
    users = max(1, round(row.concurrency or 1))
    modes = {RowMode.CLOSED_LOOP: LoadMode.CLOSED_LOOP, RowMode.STATIC_BATCH: LoadMode.STATIC_BATCH}
    return Workload(
        input_tokens=max(1, round(row.input_tokens)),
        output_tokens=max(1, round(row.output_tokens)),
        concurrency=users,
        request_rate_per_s=row.request_rate_per_s if is_open else None,
        mode=modes.get(RowMode(row.mode), LoadMode.OPEN_LOOP),
        requests_per_user=BENCHMARK_ROUNDS if row.requests is None else max(1.0, row.requests / users),
        requests=row.requests,
    )


@cache
def _known_device(name: str) -> Accelerator | None:
    return match_name(name)


def _device(row: MeasuredRow) -> Accelerator:
    if not row.hardware:
        raise UnknownDevice("the device is not given", param="hardware")
    found = _known_device(row.hardware)
    if found is None:
        raise UnknownDevice(f"device {row.hardware} is not in the catalogue", param="hardware")
    return found if found.memory_bytes else replace(found, memory_bytes=CPU_MEMORY_BYTES)


def _model(row: MeasuredRow, models: Models) -> ModelSpec:
    if not row.model:
        raise ModelNotFound("the model is not given", param="model")
    shaped = models.get(row.model.lower())
    if isinstance(shaped, ModelSpec):
        return shaped
    known = catalogue_model(row.model) or _same_name(row.model)
    if known is not None:
        return replace(known, quantization=None)
    if shaped is not None:
        raise shaped
    raise ModelNotFound(f"model {row.model} is neither in the shapes nor in the catalogue", param="model")


def _same_name(name: str) -> ModelSpec | None:
    """Return the catalogued model of the same name in another organisation or format, None when there is none."""
    return _by_bare_name().get(_bare(name))


@cache
def _by_bare_name() -> Mapping[str, ModelSpec]:
    return {_bare(model.model_id): model for model in catalogue().values()}


def _bare(name: str) -> str:
    bare, before = name.lower().rsplit("/", 1)[-1].removeprefix("meta-"), ""
    while bare != before:
        before, bare = bare, _SUFFIX.sub("", bare)
    return bare


def _served(row: MeasuredRow, model: ModelSpec, device: Accelerator) -> ModelSpec:
    """Return the model in the weights it was served with.

    Four-bit checkpoints of models with latent attention or of gpt-oss leave all but the experts wide (model cards of
    nvidia/DeepSeek-R1-FP4, moonshotai/Kimi-K2.5, openai/gpt-oss-120b).
    """
    stated = row.weight_precision or _format_in(row.model)
    name = _FORMATS.get(stated, stated)
    served = quantize(model, re.sub(r"^int4-(awq|gptq)$", r"\1", re.sub(r"^int4-g\d+$", "int4", name)))
    quantization = served.quantization
    if quantization is None or quantization.weight_bits > 4:
        return served
    is_latent = any(block.attention.kind is AttentionKind.MLA for block in model.blocks)
    kept_wide = model.is_moe and (is_latent or "gpt-oss" in row.model.lower())
    return replace(served, quantization=_four_bit(row, device, quantization, experts_only=kept_wide))


def _four_bit(row: MeasuredRow, device: Accelerator, quantization: Quantization, *, experts_only: bool) -> Quantization:
    """Return the format as it is run; int4 of a grouped format in the stated groups.

    mxfp4 multiplies in 4 bits where the device can, but gpt-oss, whose activations stay in 8 bits there and in 16 elsewhere.
    """
    activation = quantization.activation
    if quantization.method == "mxfp4" and device.fp4_flop_per_s:
        activation = Precision.FP8 if "gpt-oss" in row.model.lower() else Precision.FP4
    group = re.fullmatch(r"int4-g(\d+)", row.weight_precision)
    return replace(
        quantization,
        experts_only=experts_only,
        activation=activation,
        group_size=int(group.group(1)) if group else quantization.group_size,
    )


def _format_in(name: str) -> str:
    found = _NAMED_FORMAT.search(name)
    if found:
        return found.group().lower()
    return "mxfp4" if "gpt-oss" in name.lower() else ""


def _candidate(row: MeasuredRow, scenario: Scenario) -> Candidate:
    users = scenario.workload.concurrency or 1
    plain = default_candidate(
        replace(scenario, engine=replace(scenario.engine, version=_knobs_version(scenario.engine))),
        tensor_parallel=1 if row.engine in TAKING_TURNS else row.tensor_parallel,
        pipeline_parallel=row.pipeline_parallel,
        concurrency=users,
    )
    return replace(
        plain,
        data_parallel=row.data_parallel,
        expert_parallel=row.expert_parallel,
        kv_precision=_kv_precision(row, scenario),
        max_num_seqs=row.max_num_seqs or plain.max_num_seqs,
        max_num_batched_tokens=row.max_num_batched_tokens or plain.max_num_batched_tokens,
        chunked_prefill=plain.chunked_prefill if row.chunked_prefill is None else row.chunked_prefill,
    )


def _knobs_version(engine: EngineProfile) -> str:
    """Return the version whose defaults a run is taken to have had: its own where it is a number of that engine, else a recent one."""
    found = re.search(r"\d+\.\d+(\.\d+)?", engine.version)
    own = found.group() if found and engine.served_by == engine.kind else ""
    return own or RECENT[engine.kind]


def _kv_precision(row: MeasuredRow, scenario: Scenario) -> Precision:
    """Return the width of the cache: as stated; else 8 bits where weights are stored narrow and the device computes so, else 16."""
    if "8" in row.kv_precision:
        return Precision.FP8
    quantization = scenario.model.quantization
    narrow = quantization is not None and quantization.activation in NARROW_WEIGHTS and scenario.device.fp8_flop_per_s
    return Precision.FP8 if narrow and not row.kv_precision else Precision.BF16


def as_status(error: BudSimError) -> str:
    """Return the reason on one line."""
    return " ".join(str(error).split())
