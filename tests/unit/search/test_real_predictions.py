"""Which predictions are real enough to be recommended."""

import numpy as np

from budsim.core.search.columns import LONGEST_S, finite
from tests.support.search_fakes import predictions


def test_an_endless_a_negative_and_a_request_of_years_are_no_predictions() -> None:
    e2e_s = np.array([1.0, np.inf, 0.0, LONGEST_S, 1e300])
    found = predictions(ttft_s=np.full(5, 0.1), e2e_s=e2e_s, throughput_per_user=np.full(5, 10.0))
    assert finite(found).tolist() == [True, False, False, False, False]
