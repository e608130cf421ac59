"""Observed figures that no deployment has are refused by name, value and remedy; those that one may have are kept."""

from uuid import UUID, uuid4

import pytest

from budsim.core.errors import InvalidInput
from budsim.services.feedback import refuse_absurd
from budsim.services.ports import FeedbackReport

CONFIG = UUID("0a5c3a2e-7f43-4f0e-9d53-2d7e5a3f3b10")


def report(**observed: float) -> FeedbackReport:
    return FeedbackReport(
        event_id=uuid4(), config_id=CONFIG, failed=False, reason="", **{f"observed_{name}": value for name, value in observed.items()}
    )


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ({"ttft_s": 0.0}, "observed.ttft = 0 is no mean"),
        ({"ttft_s": 90_000.0}, "observed.ttft = 9e+07 is no mean"),
        ({"ttft_s": float("nan")}, "observed.ttft = nan is no mean"),
        ({"e2e_s": -1.0}, "observed.e2e_latency = -1 is no mean"),
        ({"e2e_s": float("inf")}, "observed.e2e_latency = inf is no mean"),
        ({"throughput_per_user": 0.0}, "observed.throughput_per_user = 0 is no mean"),
        ({"throughput_per_user": 1e6}, "observed.throughput_per_user = 1e+06 is no mean"),
        ({"ttft_s": 5.0, "e2e_s": 4.0}, "observed.ttft = 5000 ms is longer than observed.e2e_latency = 4 s"),
    ],
    ids=["no ttft", "a day's ttft", "nan", "negative", "infinite", "no throughput", "absurd throughput", "ttft beyond e2e"],
)
def test_absurd_figures_are_refused_with_field_value_and_remedy(observed, message):
    with pytest.raises(InvalidInput, match="observed") as refused:
        refuse_absurd(report(**observed))
    assert refused.value.message.startswith(message)
    assert refused.value.param is not None
    assert refused.value.param.startswith("observed.")
    assert refused.value.remedy


@pytest.mark.parametrize(
    "observed",
    [{}, {"ttft_s": 0.4, "e2e_s": 4.4, "throughput_per_user": 23.0}, {"ttft_s": 1.0, "e2e_s": 1.0}, {"e2e_s": 86_400.0}],
    ids=["nothing", "usual", "one token", "a day"],
)
def test_figures_a_deployment_may_have_are_taken(observed):
    refuse_absurd(report(**observed))
