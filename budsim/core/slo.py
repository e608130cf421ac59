"""Service-level objectives; None means no objective."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Targets of one request for a deployment.

    Attributes:
        ttft_s: Longest time to first token. [s]
        throughput_per_user: Fewest output tokens/s one user sees. [tokens/s]
        e2e_s: Longest end-to-end latency. [s]
        min_probability: Probability with which every target must be met.
    """

    ttft_s: float | None = None
    throughput_per_user: float | None = None
    e2e_s: float | None = None
    min_probability: float = 0.5
