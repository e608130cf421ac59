"""Engine knobs at the defaults of the engine version, for the device."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import PRECISION_CODES, Candidate, Candidates, IntArray
from budsim.core.engines.spec import EngineKind, EngineProfile
from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.model.spec import Precision
from budsim.core.units import GIB, MIB

# vLLM's engine/arg_utils.py (0.11): an online server takes 8,192 tokens a step and 1,024 sequences on devices of 70 GiB and more that
# are no A100, else 2,048 and 256; on CPUs 2,048 and 128 times the replica's sockets. Sequences are planned from 256 on, for a thousand
# idle ones cost 4 GB of sampling buffers.
LARGE_DEVICE_BYTES: Final = 70 * GIB
LARGE_STEP_TOKENS: Final = 8192
SMALL_STEP_TOKENS: Final = 2048
MIN_SEQUENCES: Final = 256
MIN_CPU_SEQUENCES: Final = 128
VLLM_BLOCK_TOKENS: Final = 16
WIDE_BLOCK_TOKENS: Final = 128  # vLLM on CPU and Gaudi
# SGLang's server_args.py (0.5): chunked_prefill_size by device memory in MiB; the last holds for everything larger
CHUNK_TOKENS_BELOW: Final = ((35 * 1024, 2048), (60 * 1024, 4096), (160 * 1024, 8192))
LARGEST_CHUNK_TOKENS: Final = 16384


def default_candidates(
    engine: EngineProfile,
    *,
    tensor_parallel: IntArray,
    pipeline_parallel: IntArray,
    concurrency: IntArray,
    device: Accelerator | None = None,
) -> Candidates:
    """Return the candidates of these layouts and loads with the engine version's own defaults.

    Args:
        engine: Engine and version.
        tensor_parallel: Devices of a stage, shape (n,). [devices]
        pipeline_parallel: Stages, shape (n,).
        concurrency: Users one replica carries, shape (n,).
        device: What it runs on; a large GPU where it is not given.
    """
    sequences = np.maximum(_least_sequences(device, tensor_parallel), concurrency)
    one = np.ones_like(concurrency)
    return Candidates(
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        concurrency=concurrency,
        max_num_seqs=sequences,
        max_num_batched_tokens=np.maximum(_step_tokens(engine.kind, device, tensor_parallel), sequences),
        block_size=one * _block_tokens(engine.kind, device),
        chunked_prefill=one.astype(np.bool_),
        prefix_caching=one.astype(np.bool_),
        kv_precision=one * PRECISION_CODES.index(Precision.BF16),
        scheduler_delay_factor=np.zeros(len(one)),
        data_parallel=one,
        expert_parallel=one,
    )


def default_candidate(
    engine: EngineProfile, *, tensor_parallel: int, pipeline_parallel: int, concurrency: int, device: Accelerator | None = None
) -> Candidate:
    """Return one of `default_candidates` as a value."""
    tensor, pipeline, users = (np.array([degree], dtype=np.int64) for degree in (tensor_parallel, pipeline_parallel, concurrency))
    return default_candidates(engine, tensor_parallel=tensor, pipeline_parallel=pipeline, concurrency=users, device=device).row(0)


def _least_sequences(device: Accelerator | None, tensor_parallel: IntArray) -> IntArray:
    on_cpu = device is not None and device.device_type is DeviceType.CPU
    return MIN_CPU_SEQUENCES * tensor_parallel if on_cpu else np.full_like(tensor_parallel, MIN_SEQUENCES)


def _step_tokens(kind: EngineKind, device: Accelerator | None, tensor_parallel: IntArray) -> IntArray:
    if device is not None and device.device_type is DeviceType.CPU and kind is not EngineKind.SGLANG:
        return SMALL_STEP_TOKENS * tensor_parallel
    return np.full_like(tensor_parallel, _gpu_step_tokens(kind, device))


def _gpu_step_tokens(kind: EngineKind, device: Accelerator | None) -> int:
    if device is None:
        return LARGE_STEP_TOKENS
    if kind is EngineKind.SGLANG:
        memory_mib = device.memory_bytes / MIB
        return next((tokens for limit, tokens in CHUNK_TOKENS_BELOW if memory_mib < limit), LARGEST_CHUNK_TOKENS)
    large = device.memory_bytes >= LARGE_DEVICE_BYTES and "a100" not in device.name.lower() and device.device_type is not DeviceType.HPU
    return LARGE_STEP_TOKENS if large else SMALL_STEP_TOKENS


def _block_tokens(kind: EngineKind, device: Accelerator | None) -> int:
    if kind is not EngineKind.VLLM:
        return 1  # SGLang's page_size; the others keep no cache
    wide = device is not None and device.device_type in (DeviceType.CPU, DeviceType.HPU)
    return WIDE_BLOCK_TOKENS if wide else VLLM_BLOCK_TOKENS
