"""API models behind a proxy: nothing of theirs runs here, so their latency is what such services are known for."""

from typing import Final

from budsim.core.latency.case import Case
from budsim.core.latency.scheduler import Latency
from budsim.core.latency.timing import StepTime

# Hourly probes of 15 models of five providers (J. Wrede, «TTFT varies 13x across LLM providers», 2026): medians of 0.32…4.2 s to the
# first token and, where more than a burst was measured, 25…250 tokens/s; the geometric middles of both.
API_TTFT_S: Final = 1.2
API_TOKENS_PER_S: Final = 79.0
API_SPREAD: Final = 3.6  # √(4.2 / 0.32): from the middle to either end


def proxied_latency(case: Case) -> Latency:
    """Return the latencies of a hosted model through a proxy: users do not slow each other.

    Args:
        case: Candidates and constants.
    """
    ttft, tpot = case.overheads.per_request_s + API_TTFT_S, 1.0 / API_TOKENS_PER_S
    step = StepTime(compute_s=0.0, bandwidth_s=0.0, operators_s=0.0, communication_s=0.0, overhead_s=tpot)
    return Latency(
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=ttft + (case.scenario.workload.output_tokens - 1.0) * tpot,
        queue_s=0.0,
        step=step,
        prompt=step,
        running=case.candidates.concurrency,
        prefill_share=0.0,
    )
