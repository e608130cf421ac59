"""The load a deployment must carry."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

SEQUENCE_MARGIN = 1.1  # CONTRACT «Memory, cost»: room over the mean length
BENCHMARK_ROUNDS = 10.0  # requests a user sends in the usual benchmark (InferenceX: ten prompts a user)


class LoadMode(StrEnum):
    """How requests come."""

    CLOSED_LOOP = "closed_loop"  # each user sends the next request when the last is answered
    STATIC_BATCH = "static_batch"  # one padded batch, begun and ended together
    OPEN_LOOP = "open_loop"  # requests come at a rate, whoever waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Mean request shape and its arrival.

    Attributes:
        input_tokens: Prompt length. [tokens]
        output_tokens: Generated length. [tokens]
        concurrency: Closed-loop users the whole deployment must carry; None when open loop.
        request_rate_per_s: Open-loop arrival rate. [requests/s]
        max_context_length: Cap of one sequence. [tokens]
        mode: How requests come to one replica; a deployment's rate is turned into users before.
        requests_per_user: Length of the run that a mean is taken over: the first of them all begin at once.
        requests: Length of an open-loop run; None when it does not end.
        cached_share: Share of a prompt, from its start, that a prefix cache already holds where the candidate has one on.
    """

    input_tokens: int
    output_tokens: int
    concurrency: int | None
    request_rate_per_s: float | None = None
    max_context_length: int | None = None
    mode: LoadMode = LoadMode.CLOSED_LOOP
    requests_per_user: float = BENCHMARK_ROUNDS
    requests: float | None = None
    cached_share: float = 0.0

    @property
    def sequence_tokens(self) -> int:
        """Tokens memory is planned for per sequence."""
        planned = int(SEQUENCE_MARGIN * (self.input_tokens + self.output_tokens))
        return planned if self.max_context_length is None else min(planned, self.max_context_length)

    def target_concurrency(self, e2e_s: float) -> int:
        """Return the users in flight: given, or by Little's law from the arrival rate."""
        if self.request_rate_per_s is not None:
            return max(1, ceil(self.request_rate_per_s * e2e_s))
        return self.concurrency or 1
