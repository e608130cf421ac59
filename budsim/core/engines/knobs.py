"""Engine knobs at their defaults."""

from typing import Final

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.spec import EngineKind, EngineProfile
from budsim.core.model.spec import Precision

MIN_SEQUENCES: Final = 256  # vLLM V1's default max_num_seqs for serving; SGLang is started with the same bound
STEP_TOKENS: Final = {  # tokens of one step: vLLM V1's max_num_batched_tokens for online serving; SGLang's chunked_prefill_size
    EngineKind.VLLM: 8192,
    EngineKind.SGLANG: 8192,
    EngineKind.LITELLM: 8192,
    EngineKind.LATENTBUD: 8192,
}
BLOCK_TOKENS: Final = {EngineKind.VLLM: 16, EngineKind.SGLANG: 1, EngineKind.LITELLM: 1, EngineKind.LATENTBUD: 1}


def default_candidate(engine: EngineProfile, *, tensor_parallel: int, pipeline_parallel: int, concurrency: int) -> Candidate:
    """Return the candidate of this layout and load with the engine version's own defaults."""
    return Candidate(
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        concurrency=concurrency,
        max_num_seqs=max(MIN_SEQUENCES, concurrency),
        max_num_batched_tokens=STEP_TOKENS[engine.kind],
        block_size=BLOCK_TOKENS[engine.kind],
        chunked_prefill=True,
        prefix_caching=True,
        kv_precision=Precision.BF16,
    )
