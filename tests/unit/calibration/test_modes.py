"""Static batches are fitted on top of closed loops, open loops only scored."""

import json
from dataclasses import replace

import numpy as np
import pytest

from budsim.core.latency.constants import FIELDS, shipped_constants
from budsim.core.latency.kernels import measured_shares
from budsim.services.accuracy.rows import read_row
from budsim.services.accuracy.shapes import models_of
from budsim.services.calibration.design import PRIOR, effects_of, log_values
from budsim.services.calibration.fit import Fit, fit_constants, log_predicted
from budsim.services.calibration.modes import offline_of, open_band
from budsim.services.calibration.observe import offline_observations
from budsim.services.calibration.store import band_of, with_offline
from tests.support.measured_rows import LLAMA_SHAPE, row

MODELS = models_of([LLAMA_SHAPE])
SHARES = measured_shares()


def closed() -> Fit:
    """Return constants of closed loops that are the priors themselves."""
    design = replace(effects_of([("engine:vllm",)]), names=(), member=np.zeros((1, 0)), field=np.zeros(0, int), centre=np.zeros(0))
    bases = replace(design, names=tuple(("", name) for name in FIELDS), field=np.arange(len(FIELDS)), member=np.ones((1, len(FIELDS))))
    return Fit(design=bases, theta=np.array([np.log(PRIOR[name]) for name in FIELDS]), error=np.zeros(len(FIELDS)))


def batches():
    rows = [
        row(load_mode="static_batch", concurrency=str(users), input_tokens=str(tokens), group_id=f"{users} {tokens}")
        for users in (1, 4, 16, 64)
        for tokens in (200, 2000, 8000)
    ]
    return [read_row(each) for each in rows]


def test_a_batch_that_takes_twice_as_long_is_told_by_offline_effects():
    observed = offline_observations(batches(), MODELS, SHARES, closed())
    plain = np.exp(log_predicted(observed, np.zeros_like(observed.known)))
    assert plain == pytest.approx(np.exp(log_predicted(replace(observed, known=None), observed.known)))
    slow = replace(observed, measured_s=2.0 * plain)
    fit = fit_constants(slow)
    found = np.exp(log_predicted(slow, log_values(fit.design, fit.theta)))
    assert found[:, 2] == pytest.approx(2.0 * plain[:, 2], rel=0.1)
    assert all(key.startswith("offline:") for key, _ in fit.design.names)


def test_a_figure_that_was_not_measured_pulls_at_nothing():
    observed = offline_observations(batches(), MODELS, SHARES, closed())
    plain = np.exp(log_predicted(observed, np.zeros_like(observed.known)))
    told = plain * np.array([np.nan, np.nan, 1.0])
    fit = fit_constants(replace(observed, measured_s=told))
    assert np.abs(fit.theta).max() < 0.01


def test_closed_loops_teach_nothing_about_batches_and_without_batches_nothing_is_fitted():
    loops = [read_row(row())]
    assert offline_of(loops, MODELS, kernels=SHARES, closed=closed(), cross_validate=False) is None
    assert open_band(loops, MODELS, shipped_constants()) == {}


def test_quantiles_of_what_was_hardly_measured_are_those_of_the_rest():
    ratio = np.full((100, 3), np.nan)
    ratio[:, 2] = np.linspace(0.5, 1.5, 100)
    assert band_of(ratio) == {name: [pytest.approx(0.55, abs=0.01), pytest.approx(1.45, abs=0.01)] for name in ("ttft", "tpot", "e2e")}


def test_the_document_keeps_closed_loops_as_they_were():
    observed = offline_observations(batches(), MODELS, SHARES, closed())
    base = {"effects": {"engine:vllm": {}}, "seen": {"devices": []}, "bands": {"point": {}}}
    found = with_offline(base, observed, fit_constants(observed), {"device": {"e2e": [0.5, 2.0]}})
    assert found["bands"] == {"point": {}, "static_device": {"e2e": [0.5, 2.0]}}
    assert found["seen"]["offline"] == ["vllm@H100-SXM-80GB"]
    assert found["effects"]["engine:vllm"] == {}


def test_shipped_constants_know_static_batches_and_open_loops():
    constants = shipped_constants()
    assert {"static_point", "static_device", "open"} <= set(constants.bands)
    assert "vllm@MI300X-192GB" in constants.seen.offline
    assert json.dumps(sorted(constants.effects)).count("offline:") > 3
