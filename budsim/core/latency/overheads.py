"""What an engine spends beside its kernels, and how it queues prompts."""

from dataclasses import dataclass

from budsim.core.elementwise import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheads:
    """Costs of one engine; one figure for all runs, or one a run.

    Attributes:
        per_step_s: Scheduling, sampling and detokenising of one step. [s]
        per_sequence_s: Added to a step by each running sequence. [s]
        per_request_s: Tokenising, admission and first answer of a request. [s]
        per_user_s: Added to the first token by each other user whose request the engine handles meanwhile. [s]
        start_burst: Rounds of requests that still stand in the queue their common start made, over half of which a request waits for.
        prefill_apart: 1 where prompts run in steps of their own, 0 where they share the steps of running sequences.
    """

    per_step_s: Figure
    per_sequence_s: Figure
    per_request_s: Figure
    per_user_s: Figure
    start_burst: Figure
    prefill_apart: Figure
