"""mem_fraction_static of SGLang, as the releases choose it when nobody does."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.defaults import Version, graph_sequences
from budsim.core.engines.releases import version_key
from budsim.core.engines.spec import Scenario
from budsim.core.memory.activations import is_multimodal
from budsim.core.units import MIB

# server_args.py up to 0.4.7: by tensor parallel degree
BY_DEGREE: Final = ((16, 0.79), (8, 0.81), (4, 0.85), (2, 0.87), (1, 0.88))
RESERVED_SINCE: Final[Version] = (0, 4, 8)
# server_args.py 0.4.8…0.5.2: MiB kept below a device size in MiB, and more for each device of the group
RESERVED_BELOW_MIB: Final = ((35 * 1024, 2.8 * 1024, 102.4), (90 * 1024, 9.5 * 1024, 512.0), (160 * 1024, 12.0 * 1024, 512.0))
RESERVED_ABOVE_MIB: Final = 32.0 * 1024
ESTIMATED_SINCE: Final[Version] = (0, 5, 3)
# server_args.py since 0.5.3: meta data, a prefill chunk, graphs, the group; at least 10 GiB on devices above 60
META_MIB, MIB_PER_CHUNK_TOKEN, MIB_PER_GRAPH_SEQUENCE, MIB_PER_DEVICE = 512.0, 1.5, 2.0, 128.0
LEAST_CHUNK_TOKENS: Final = 2048
LARGE_MIB, LEAST_RESERVED_MIB = 60 * 1024, 10 * 1024.0
PIECEWISE_SINCE: Final[Version] = (0, 5, 10)
PIECEWISE_MIB: Final = 464.0  # 8 MiB for each of 58 captured lengths
MULTIMODAL_SHARE: Final = 0.95  # adjust_mem_fraction_for_vlm, for a tower of CLIP's size


def static_fraction(scenario: Scenario, candidates: Candidates) -> FloatArray:
    """Return mem_fraction_static, shape (n,).

    Source:
        python/sglang/srt/server_args.py of the releases named beside the constants; sgl-project/sglang pull 10975.
    """
    version = version_key(scenario.engine.version)
    if version < RESERVED_SINCE:
        chosen = _by_degree(candidates)
    else:
        size_mib = scenario.device.memory_bytes / MIB
        kept = _estimated_mib(scenario, version, candidates) if version >= ESTIMATED_SINCE else _reserved_mib(size_mib, candidates)
        chosen = np.round((size_mib - kept) / size_mib, 3)
    return np.asarray(chosen * (MULTIMODAL_SHARE if is_multimodal(scenario.model) else 1.0))


def _by_degree(candidates: Candidates) -> FloatArray:
    chosen = np.zeros(len(candidates))
    for degree, share in reversed(BY_DEGREE):
        chosen = np.where(candidates.tensor_parallel >= degree, share, chosen)
    return chosen


def _reserved_mib(size_mib: float, candidates: Candidates) -> FloatArray:
    for limit, kept, each in RESERVED_BELOW_MIB:
        if size_mib < limit:
            return np.asarray(kept + each * candidates.tensor_parallel * candidates.pipeline_parallel)
    return np.full(len(candidates), RESERVED_ABOVE_MIB)


def _estimated_mib(scenario: Scenario, version: Version, candidates: Candidates) -> FloatArray:
    device, size_mib = scenario.device, scenario.device.memory_bytes / MIB
    chunk = np.maximum(candidates.max_num_batched_tokens, LEAST_CHUNK_TOKENS) * MIB_PER_CHUNK_TOKEN
    captured = np.array([graph_sequences(device, tensor_parallel=int(degree)) for degree in candidates.tensor_parallel], dtype=np.float64)
    kept = META_MIB + chunk + captured * MIB_PER_GRAPH_SEQUENCE + candidates.tensor_parallel * candidates.pipeline_parallel * MIB_PER_DEVICE
    if version >= PIECEWISE_SINCE:
        kept = kept + PIECEWISE_MIB
    return np.asarray(np.maximum(kept, LEAST_RESERVED_MIB) if size_mib > LARGE_MIB else kept, dtype=np.float64)
