"""What feedback observed of a deployment of Llama 3.1 8B with vLLM on an A100, and what two model sets had predicted."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from budsim.core.engines.candidates import Candidate
from budsim.core.model.spec import Precision
from budsim.services.accuracy.predict import Range
from budsim.services.observations import Observation, SetFigures

CONFIG = UUID("0a5c3a2e-7f43-4f0e-9d53-2d7e5a3f3b10")
CANDIDATE = Candidate(
    tensor_parallel=2,
    pipeline_parallel=1,
    concurrency=32,
    max_num_seqs=256,
    max_num_batched_tokens=2048,
    block_size=16,
    chunked_prefill=True,
    prefix_caching=True,
    kv_precision=Precision.BF16,
)


def make_observation(**changes: object) -> Observation:
    """Return 32 users who saw a TTFT of 0.4 s, an E2E latency of 4.4 s and 101 tokens in it."""
    observation = Observation(
        config_id=CONFIG,
        reported=date(2026, 5, 17),
        model="meta-llama/Llama-3.1-8B",
        quantization=None,
        hardware="A100-SXM-80GB",
        device_type="cuda",
        hardware_mode="dedicated",
        engine="vllm",
        engine_version="0.11.2",
        candidate=CANDIDATE,
        input_tokens=1000,
        output_tokens=101,
        concurrency=32,
        ttft_s=0.4,
        e2e_s=4.4,
        throughput_per_user=20.0,
    )
    return replace(observation, **changes)  # type: ignore[arg-type]


def predicted(version: str, *, ttft_s: float, e2e_s: float = 4.4, throughput: float = 20.0, spread: float = 1.25) -> SetFigures:
    """Return what a set predicted, within ×/÷ `spread`."""

    def around(mean: float) -> Range:
        return Range(mean=mean, low=mean / spread, high=mean * spread)

    return SetFigures(
        method="regressor", version=version, ttft_s=around(ttft_s), e2e_s=around(e2e_s), throughput_per_user=around(throughput)
    )
