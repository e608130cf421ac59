"""The least time an answer can take: what no device undercuts, and by which a row shows that it did not measure what it says."""

from budsim.core.latency.operators import dense_work, expert_work, head_work
from budsim.services.accuracy.rows import MeasuredRow
from budsim.services.accuracy.runs import Run

ONE_TOKEN = 1.0


def decode_floor_s(run: Run) -> float:
    """Return the time in which the devices read, at their peak, what each token after the first needs of the weights. [s]

    Source:
        PHYSICS 4: one sequence reads every dense weight and its k experts for each token, whatever runs beside it.
    """
    model, row = run.scenario.model, run.candidate
    met = [work(model, row, ONE_TOKEN).moved_bytes for work in (dense_work, expert_work, head_work)]
    steps = run.scenario.workload.output_tokens - 1.0
    return float(steps * sum(met) / run.scenario.device.bandwidth_bytes_per_s)


def is_below_floor(row: MeasuredRow, run: Run) -> bool:
    """Return whether a row was answered in less than `decode_floor_s`; then its answers ended before the stated length.

    Speculation decodes several tokens a step and is not judged.
    """
    e2e = row.measured.e2e_s
    return e2e is not None and not row.speculated and e2e < decode_floor_s(run)
