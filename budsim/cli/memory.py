"""`budsim memory`: where the bytes of a device go, in the words of the engine's own start-up log."""

import asyncio
from dataclasses import fields
from typing import Annotated, Final

import typer
from rich.table import Table

from budsim.adapters.model_folder import model_in_folder
from budsim.app import create_models
from budsim.cli.output import AsJson, print_json, wide_console
from budsim.config import load_settings
from budsim.core.errors import InvalidInput
from budsim.core.memory.changes import smallest_changes
from budsim.core.memory.question import Answer, Question, answer
from budsim.core.model.spec import ModelSpec
from budsim.core.search.part import Layout
from budsim.core.search.space import divides
from budsim.core.units import GIB

KEYS: Final = (
    "fits",
    "weights_gib",
    "kv_bytes_per_token",
    "kv_cache_gib",
    "kv_cache_tokens",
    "activation_gib",
    "non_torch_gib",
    "cuda_graph_gib",
    "max_concurrency",
)
Device = Annotated[str, typer.Option("--device", help="Catalogue device, or its name as drivers print it: H100-SXM-80GB")]
Degree = Annotated[int, typer.Option(min=1, max=1024)]
Tokens = Annotated[int | None, typer.Option(min=1, max=10**7)]


def memory(  # noqa: PLR0913, PLR0917  # the options of an engine's command line
    model: Annotated[str, typer.Argument(help="Catalogued name, folder with a config.json, or Hugging Face id")],
    device: Device,
    tp: Annotated[int, typer.Option("--tp", "--tensor-parallel-size", min=1, max=1024, help="Devices of a stage")] = 1,
    pp: Annotated[int, typer.Option("--pp", "--pipeline-parallel-size", min=1, max=1024, help="Stages")] = 1,
    engine: Annotated[str, typer.Option(help="vllm or sglang")] = "vllm",
    engine_version: Annotated[str | None, typer.Option(help="Release; the one BudSim recommends by default")] = None,
    gpu_memory_utilization: Annotated[
        float | None,
        typer.Option(
            "--gpu-memory-utilization",
            "--mem-fraction-static",
            min=0.01,
            max=1.0,
            help="Share of the device; what the release takes by itself",
        ),
    ] = None,
    max_model_len: Annotated[int | None, typer.Option(min=1, max=10**8, help="Tokens of a sequence; the model's longest")] = None,
    max_num_batched_tokens: Annotated[
        int | None, typer.Option("--max-num-batched-tokens", "--chunked-prefill-size", min=1, max=10**7, help="Tokens of a step")
    ] = None,
    max_num_seqs: Annotated[
        int | None, typer.Option("--max-num-seqs", "--max-running-requests", min=1, max=10**6, help="Sequences at once")
    ] = None,
    dtype: Annotated[str, typer.Option(help="auto, bfloat16, float16, float32")] = "auto",
    kv_dtype: Annotated[str, typer.Option("--kv-dtype", "--kv-cache-dtype", help="auto, fp8, bfloat16, float16")] = "auto",
    quantization: Annotated[str | None, typer.Option(help="fp8, int8, awq, gptq, w4a16, nf4, mxfp4, …")] = None,
    device_memory_gib: Annotated[float | None, typer.Option(min=0.1, help="Memory of a device that has its host's, as a CPU")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell where the bytes of one device go when an engine starts a model on it; exit 1 when it does not fit.

    Example: budsim memory meta-llama/Llama-3.1-8B-Instruct --device H100-SXM-80GB --max-model-len 8192
    """
    question = Question(
        model=asyncio.run(_resolve(model)),
        device=device,
        engine=engine,
        engine_version=engine_version,
        tensor_parallel=tp,
        pipeline_parallel=pp,
        share=gpu_memory_utilization,
        max_model_len=max_model_len,
        max_num_batched_tokens=max_num_batched_tokens,
        max_num_seqs=max_num_seqs,
        dtype=dtype,
        kv_dtype=kv_dtype,
        quantization=quantization,
        device_memory_bytes=device_memory_gib * GIB if device_memory_gib else None,
    )
    _check_layout(question)
    found = answer(question)
    changes = () if found.fits else smallest_changes(question)
    if as_json:
        print_json(_body(found, changes))
    else:
        _show(question, found, changes)
    if not found.fits:
        raise typer.Exit(1)


async def _resolve(name: str) -> ModelSpec:
    return model_in_folder(name) or await create_models(load_settings()).resolve(name)


def _check_layout(question: Question) -> None:
    layout = Layout(tensor_parallel=question.tensor_parallel, pipeline_parallel=question.pipeline_parallel)
    if not divides(question.model, layout):
        raise InvalidInput(
            f"tp {layout.tensor_parallel} and pp {layout.pipeline_parallel} do not divide {question.model.model_id}: "
            f"{question.model.query_heads} query heads, {question.model.layers} layers",
            param="tp",
            remedy="TP must divide the heads and the feed-forward widths, PP may not exceed the layers",
        )


def _body(found: Answer, changes: tuple[str, ...]) -> dict[str, object]:
    """Return the answer for machines: the keys of an engine's log, then what was judged and what would make it fit."""
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
    rest = {name: value for name, value in rounded.items() if name not in KEYS}
    return {**{name: rounded[name] for name in KEYS}, **rest, "smallest_changes": list(changes)}


def _show(question: Question, found: Answer, changes: tuple[str, ...]) -> None:
    place = f"{question.device}, TP={question.tensor_parallel}, PP={question.pipeline_parallel}"
    table = Table(title=f"{question.model.model_id} on {place}, {question.engine} at {found.share:.3g}", title_justify="left")
    table.add_column("per device")
    table.add_column("GiB", justify="right")
    for name, value in (
        ("weights", found.weights_gib),
        ("activation peak", found.activation_gib),
        ("outside torch", found.non_torch_gib),
        ("CUDA graphs", found.cuda_graph_gib),
        ("KV cache", found.kv_cache_gib),
    ):
        table.add_row(name, f"{value:.2f}")
    console = wide_console()
    console.print(table)
    console.print(
        f"KV cache: {found.kv_cache_tokens:,} tokens, {found.kv_bytes_per_token:,.0f} bytes a token and device; "
        f"{found.max_concurrency:.2f} sequences of {found.max_model_len:,} tokens at once",
        highlight=False,
    )
    verdict = "fits" if found.fits else f"does not fit. {'; or '.join(changes) or 'No single change would do'}"
    console.print(verdict, highlight=False, markup=False)
