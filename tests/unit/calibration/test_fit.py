"""Constants are found again in runs that were made with them, and kernels' shares in timings made with those."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.latency.constants import FIELDS, shipped_constants
from budsim.core.latency.kernels import kernel_shares, measured_shares, shares_from
from budsim.services.accuracy.rows import read_row
from budsim.services.accuracy.shapes import models_of
from budsim.services.calibration.design import PRIOR, design_of, log_values
from budsim.services.calibration.fit import fit_constants, predicted
from budsim.services.calibration.folds import Split, applied, held_out, selected
from budsim.services.calibration.kernels import Timings, fit_kernel, share_rows
from budsim.services.calibration.observe import observations
from budsim.services.calibration.report import BEGIN, END, with_figures
from budsim.services.calibration.store import bands_of
from tests.support.measured_rows import LLAMA_SHAPE, row
from tests.support.physics_shapes import device


def runs():
    rows = [
        row(concurrency=str(users), input_tokens=str(tokens), tp=str(split), hardware=name, group_id=f"{users} {tokens} {split} {name}")
        for users in (1, 4, 16, 64)
        for tokens in (200, 2000, 8000)
        for split in (1, 2, 4)
        for name in ("H100-SXM-80GB", "A100-SXM-80GB")
    ]
    return observations([read_row(each) for each in rows], models_of([LLAMA_SHAPE]), dict(measured_shares()))


def made_with(observed, **values):
    logs = np.tile([np.log(values.get(name, PRIOR[name])) for name in FIELDS], (len(observed.groups), 1))
    found = predicted(observed, logs)
    return replace(observed, measured_s=np.stack([found.ttft_s, found.tpot_s, found.e2e_s], axis=1))


def test_a_fit_finds_the_layer_cost_that_runs_were_made_with():
    observed = made_with(runs(), per_layer_s=60e-6, per_request_s=80e-3)
    fit = fit_constants(observed)
    values = np.exp(log_values(fit.design, fit.theta))
    assert np.median(values[:, FIELDS.index("per_layer_s")]) == pytest.approx(60e-6, rel=0.25)
    assert np.median(values[:, FIELDS.index("per_request_s")]) == pytest.approx(80e-3, rel=0.25)
    again = predicted(observed, log_values(fit.design, fit.theta))
    assert np.abs(again.e2e_s / observed.measured_s[:, 2] - 1).max() < 0.1


def test_a_few_absurd_runs_move_the_constants_little():
    observed = made_with(runs(), per_layer_s=60e-6)
    spoilt = observed.measured_s.copy()
    spoilt[:4] *= 20.0
    found = [fit_constants(each) for each in (observed, replace(observed, measured_s=spoilt))]
    layer = [np.median(log_values(fit.design, fit.theta)[:, FIELDS.index("per_layer_s")]) for fit in found]
    assert abs(layer[1] - layer[0]) < 0.2


def test_keys_the_fit_never_met_add_nothing():
    observed = made_with(runs())
    fit = fit_constants(observed)
    known, strange = applied(fit, [observed.keys[0], ("engine:none", "generation:none")])
    assert strange == pytest.approx([fit.theta[fit.design.names.index(("", name))] for name in FIELDS])
    assert known.shape == strange.shape


def test_what_all_runs_share_is_told_by_the_base():
    names = design_of([("engine:vllm", "generation:vllm-1"), ("engine:vllm", "generation:vllm-2")]).names
    assert not [key for key, _ in names if key.startswith("engine")]
    assert {key for key, _ in names} == {"", "generation:vllm-1", "generation:vllm-2"}


def test_a_point_is_never_predicted_by_constants_that_saw_it():
    observed = made_with(runs())
    doubled = replace(observed, groups=tuple(group.split(" ", 1)[1] for group in observed.groups))
    held = held_out(doubled, Split.POINT)
    folds = dict(zip([doubled.groups[index] for index in held.rows], held.fold, strict=True))
    for index, fold in zip(held.rows, held.fold, strict=True):
        assert folds[doubled.groups[index]] == fold
    assert len(selected(doubled, np.array(doubled.groups) == doubled.groups[0]).keys) == 4


def test_bands_never_narrow_with_distance():
    observed = made_with(runs())
    held = [held_out(observed, split) for split in (Split.POINT,)]
    far = replace(held[0], split=Split.DEVICE, predicted_s=observed.measured_s[held[0].rows])
    bands = bands_of([*held, far], observed)
    for name in ("ttft", "tpot", "e2e"):
        assert bands["device"][name][0] <= bands["point"][name][0]
        assert bands["device"][name][1] >= bands["point"][name][1]


def test_a_kernels_roofline_is_found_again():
    rng = np.random.default_rng(3)
    flop, moved = 10 ** rng.uniform(7, 14, 900), 10 ** rng.uniform(5, 10, 900)
    time = np.maximum(flop / (0.7 * 989e12), moved / (0.8 * 3.35e12)) + 4e-6
    fit = fit_kernel("H100-SXM-80GB", "gemm_16", Timings(flop=flop, moved_bytes=moved, time_s=time, flop_per_s=989e12, bytes_per_s=3.35e12))
    assert (fit.compute, fit.bandwidth, fit.floor_s) == pytest.approx((0.7, 0.8, 4e-6), rel=0.02)
    known = shares_from(share_rows([fit, replace(fit, operator="gemm_8"), replace(fit, operator="gemm_4"), *others(fit)]))
    assert known["H100-SXM-80GB"].gemm_16 == pytest.approx(0.7, rel=0.02)
    # a device that was not measured has the mean of its architecture, or of all
    assert kernel_shares(device(name="H20-96GB"), known).gemm_bandwidth == pytest.approx(0.8, rel=0.02)
    assert kernel_shares(device(name="MI300X-192GB"), known).gemm_bandwidth == pytest.approx(0.8, rel=0.02)


def others(fit):
    return [replace(fit, operator=name) for name in ("attention_prefill", "attention_decode", "all_reduce")]


def test_figures_replace_those_of_the_last_run_alone():
    first = with_figures("# Accuracy\n\nwords", ["| a |"])
    second = with_figures(first, ["| b |"])
    assert "words" in second and "| b |" in second and "| a |" not in second
    assert second.count(BEGIN) == second.count(END) == 1


def test_shipped_shares_exceed_no_peak():
    for shares in shipped_constants().kernels.values():
        for value in (shares.gemm_16, shares.gemm_8, shares.gemm_bandwidth, shares.attention_compute, shares.reduce_bandwidth):
            assert 0.0 < value <= 1.0
