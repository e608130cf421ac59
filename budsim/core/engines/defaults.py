"""What an engine release takes when nobody says: sequences and tokens of a step, captured graphs, blocks of the cache.

Source: vLLM's engine/arg_utils.py and platforms, SGLang's server_args.py, of the releases in releases.csv; for an online server.
"""

from typing import Final

from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.model.spec import AttentionKind, ModelSpec
from budsim.core.units import GIB, MIB

Version = tuple[int, ...]

V1_SINCE: Final[Version] = (0, 8)  # vLLM: V1 is the core, unless something asks for V0, which is there until 0.10
AITER_MLA_SINCE: Final[Version] = (0, 8, 5)  # its recorded flags take blocks of one token, those of 0.7.3 do not
A100_SMALL_SINCE: Final[Version] = (0, 9)  # vllm-project/vllm pull 17885
LARGER_SHARE_SINCE: Final[Version] = (0, 20)  # vllm/config/cache.py of 0.19.1 and 0.20.0
WIDE_SINCE: Final[Version] = (0, 26)  # vllm-project/vllm pull 51726

LARGE_DEVICE_BYTES: Final = 70 * GIB
WIDE_DEVICE_BYTES: Final = 160 * GIB
SMALL_STEP_TOKENS, LARGE_STEP_TOKENS, WIDE_STEP_TOKENS = 2048, 8192, 16_384
SMALL_SEQUENCES, LARGE_SEQUENCES = 256, 1024
CPU_SEQUENCES: Final = 128  # for each socket of the replica, like SMALL_STEP_TOKENS
UNCHUNKED_TOKENS: Final = 32_768  # V0 took prompts whole up to this context length

# SGLang's chunked_prefill_size below a device size in MiB; the last holds for everything larger
CHUNK_TOKENS_BELOW: Final = ((35 * 1024, 2048), (60 * 1024, 4096), (160 * 1024, 8192))
OLD_CHUNK_TOKENS_BELOW: Final = ((35 * 1024, 2048), (160 * 1024, 8192))  # before 0.5
MIDDLE_CHUNKS_SINCE: Final[Version] = (0, 5)
LARGEST_CHUNK_TOKENS: Final = 16_384
# SGLang's cuda_graph_max_bs below a device size in MiB: for fewer than four devices, and for more
GRAPH_SEQUENCES_BELOW: Final = ((20 * 1024, 8, 8), (35 * 1024, 24, 80), (60 * 1024, 32, 160), (160 * 1024, 256, 512))
MOST_GRAPH_SEQUENCES: Final = 512
MANY_DEVICES: Final = 4

SHARE, LARGER_SHARE = 0.9, 0.92  # gpu_memory_utilization

BLOCK_TOKENS: Final = 16
WIDE_BLOCK_TOKENS: Final = 128  # vLLM on CPU and Gaudi
FLASH_MLA_BLOCK_TOKENS: Final = 64  # vLLM's platforms/cuda.py: FlashMLA, the choice on Hopper
CUTLASS_MLA_BLOCK_TOKENS: Final = 128  # likewise CUTLASS MLA, on data-centre Blackwell
AITER_MLA_BLOCK_TOKENS: Final = 1  # vLLM's platforms/rocm.py: the AITER backend of MLA
_HOPPER: Final = ("H", "GH")
_BLACKWELL: Final = ("B", "GB")
_INSTINCT_CDNA3: Final = "MI3"  # AITER's kernels are made for MI300 and later: rocm.docs.amd.com, vLLM V1 performance optimization


def started_sequences(kind: EngineKind, version: Version, device: Accelerator) -> int:
    """Return max_num_seqs, on a CPU for one socket. SGLang has no fixed one: it is what vLLM's small devices take."""
    if kind is not EngineKind.VLLM or version < V1_SINCE:
        return SMALL_SEQUENCES
    if device.device_type is DeviceType.CPU:
        return CPU_SEQUENCES
    return LARGE_SEQUENCES if _is_large(version, device) else SMALL_SEQUENCES


def started_step_tokens(kind: EngineKind, version: Version, device: Accelerator, *, context_tokens: int) -> int:
    """Return max_num_batched_tokens, on a CPU for one socket, or SGLang's chunked_prefill_size.

    Args:
        kind: Engine.
        version: Its release.
        device: What it runs on.
        context_tokens: max_model_len. [tokens]
    """
    if kind is EngineKind.SGLANG:
        return _chunk_tokens(version, device)
    if kind is EngineKind.VLLM and version < V1_SINCE:
        return _v0_step_tokens(context_tokens)
    if _is_gpu(device) and version >= WIDE_SINCE and device.memory_bytes >= WIDE_DEVICE_BYTES:
        return WIDE_STEP_TOKENS
    return LARGE_STEP_TOKENS if _is_large(version, device) else SMALL_STEP_TOKENS


def started_share(kind: EngineKind, version: Version) -> float:
    """Return gpu_memory_utilization of vLLM; engines without such a share are taken as vLLM was for long. [0…1]"""
    return LARGER_SHARE if kind is EngineKind.VLLM and version >= LARGER_SHARE_SINCE else SHARE


def graph_sequences(device: Accelerator, *, tensor_parallel: int) -> int:
    """Return SGLang's cuda_graph_max_bs: the most sequences it captures a graph for."""
    for limit, few, many in GRAPH_SEQUENCES_BELOW:
        if device.memory_bytes / MIB < limit:
            return few if tensor_parallel < MANY_DEVICES else many
    return MOST_GRAPH_SEQUENCES


def block_tokens(kind: EngineKind, version: Version, device: Accelerator, model: ModelSpec) -> int:
    """Return the tokens of one block of the cache, which its attention backend decides; SGLang pages by the token."""
    if kind is not EngineKind.VLLM:
        return 1
    if device.device_type in (DeviceType.CPU, DeviceType.HPU):
        return WIDE_BLOCK_TOKENS
    return _mla_block_tokens(device, version) if has_mla(model) else BLOCK_TOKENS


def has_mla(model: ModelSpec) -> bool:
    """Whether any layer caches a latent instead of heads."""
    return any(block.attention.kind is AttentionKind.MLA for block in model.blocks)


def runs_aiter(device: Accelerator) -> bool:
    """Whether AMD's kernel library is made for this device."""
    return device.device_type is DeviceType.ROCM and device.name.startswith(_INSTINCT_CDNA3)


def _v0_step_tokens(context_tokens: int) -> int:
    return max(context_tokens, SMALL_STEP_TOKENS) if context_tokens <= UNCHUNKED_TOKENS else SMALL_STEP_TOKENS


def _chunk_tokens(version: Version, device: Accelerator) -> int:
    sizes = CHUNK_TOKENS_BELOW if version >= MIDDLE_CHUNKS_SINCE else OLD_CHUNK_TOKENS_BELOW
    return next((tokens for limit, tokens in sizes if device.memory_bytes / MIB < limit), LARGEST_CHUNK_TOKENS)


def _mla_block_tokens(device: Accelerator, version: Version) -> int:
    if runs_aiter(device) and version >= AITER_MLA_SINCE:
        return AITER_MLA_BLOCK_TOKENS
    if device.device_type is DeviceType.CUDA and device.name.startswith(_HOPPER):
        return FLASH_MLA_BLOCK_TOKENS
    if device.device_type is DeviceType.CUDA and device.name.startswith(_BLACKWELL):
        return CUTLASS_MLA_BLOCK_TOKENS
    return BLOCK_TOKENS


def _is_large(version: Version, device: Accelerator) -> bool:
    if version >= A100_SMALL_SINCE and "a100" in device.name.lower():
        return False
    return _is_gpu(device) and device.memory_bytes >= LARGE_DEVICE_BYTES


def _is_gpu(device: Accelerator) -> bool:
    return device.device_type in (DeviceType.CUDA, DeviceType.ROCM)
