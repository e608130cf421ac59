"""Which of LLM-Pilot's configurations ran out of memory, ranked by the planned margin."""

import pytest

from benchmarks.out_of_memory import area_under_curve, judged_rows


@pytest.mark.shared_data
def test_the_margin_ranks_what_ran_out_of_memory(shared_data):
    judged = judged_rows(shared_data / "oom.csv")
    assert len(judged) == 526
    assert area_under_curve(judged) >= 0.9
