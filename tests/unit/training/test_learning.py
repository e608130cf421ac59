"""What is learned from which rows, and what a fold may not see."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.errors import InvalidInput
from budsim.core.latency.constants import shipped_constants
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.likeness import COLUMNS
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.training.folds import Split, folds, held_out
from budsim.services.training.intervals import predicted_s, widths_of
from budsim.services.training.krige import kriged
from budsim.services.training.learn import learnable, learned
from budsim.services.training.rows import analysed
from budsim.services.training.settings import KERNELS
from tests.support.measured_rows import row
from tests.support.trained import SETTINGS, silent, small, table


def test_every_row_left_out_is_counted_with_its_reason():
    found = table(row(), row(load_mode="burst"), row(spec_decode="mtp"), row(hardware="nobody's", group_id="x"), row(load_mode="burst"))
    assert len(found.rows) == 1
    assert sum(found.left_out.values()) == 4
    assert found.left_out["load mode burst is not learned"] == 2


def test_no_row_at_all_is_refused():
    with pytest.raises(InvalidInput, match="no row"):
        table(row(load_mode="burst"))


def test_a_closed_loop_without_means_is_learned_from_by_its_medians_and_is_not_scored():
    median = row(mean_ttft_ms="", mean_tpot_ms="", mean_e2e_s="", median_ttft_ms="90", median_tpot_ms="7")
    found = table(row(), median)
    assert [each.median for each in found.rows] == [False, True]
    assert found.clean.tolist() == [True, False]
    assert found.measured_s[1] == pytest.approx([0.09, 0.007, 0.09 + 199 * 0.007])


def test_a_batch_known_by_its_length_alone_teaches_tpot():
    batch = row(load_mode="static_batch", input_tokens="100", mean_ttft_ms="", mean_tpot_ms="", mean_e2e_s="2.5")
    found = table(row(), batch)
    rows = learnable(found, analysed(found, shipped_constants()))
    assert rows.errors[1, 1] == pytest.approx(np.log(2.5 / rows.analytic_s[1, 2]))
    assert np.isnan(rows.errors[1, 0])
    assert rows.weights[1, 1] < rows.weights[0, 1]


def test_training_reads_the_physics_that_serving_reads():
    rows = small()
    predictor = HeuristicPredictor(memory=MemoryOfWhatRan(AnalyticMemory()), constants=shipped_constants())
    for index in (0, 17, 95):
        run = rows.table.rows[index].run
        served = predictor.predict(run.scenario, Candidates.from_rows([run.candidate]))
        assert rows.analytic_s[index] == pytest.approx([served.ttft_s[0], served.tpot_s[0], served.e2e_s[0]])


def test_what_the_others_tell_of_a_run_is_what_they_tell_when_it_was_never_there():
    rows = small()
    points, errors = rows.features[:, COLUMNS], rows.errors[:, 1]
    kernel = replace(KERNELS["tpot"], noise=0.01)
    ones = np.ones(len(points))
    held = np.array([3, 40, 41])
    others = np.setdiff1d(np.arange(len(points)), held)
    soft = kriged(points, 0.01 * errors, ones, kernel)  # so small that no run is taken for a noisy one
    again = kriged(points[others], 0.01 * errors[others], ones[others], kernel)
    told, nearness = again.neighbours(0.01 * errors[others]).told(rows.features[held])
    assert soft.without(held, 0.01 * errors) == pytest.approx(told, abs=1e-6)
    assert soft.nearest_without(held) == pytest.approx(nearness, abs=1e-6)


def test_a_fold_holds_back_all_rows_of_its_label_and_changes_nothing_by_what_they_measured():
    rows = small()
    fold = next(each for each in folds(rows.table) if each.split is Split.POINT)
    spoilt = rows.errors.copy()
    spoilt[fold.held] += 0.3
    whole = learned(rows, SETTINGS, silent)
    found = [held_out(fold, each, whole, SETTINGS) for each in (rows, replace(rows, errors=spoilt))]
    assert found[0].log_factor == pytest.approx(found[1].log_factor)
    assert np.abs(found[0].log_factor).max() > 0.01


def test_points_between_measured_ones_are_predicted_better_than_by_physics():
    rows = small()
    whole = learned(rows, SETTINGS, silent)
    held = [held_out(fold, rows, whole, SETTINGS) for fold in folds(rows.table) if fold.split is Split.POINT]
    scored = np.concatenate([each.fold.scored for each in held])
    tokens = np.full(len(scored), 200.0)
    learned_s = np.concatenate([predicted_s(each, tokens[: len(each.fold.scored)]) for each in held])
    error = [np.abs(each / rows.table.measured_s[scored] - 1).mean(axis=0) for each in (learned_s, rows.analytic_s[scored])]
    assert (error[0] < 0.5 * error[1]).all()


def test_intervals_cover_nine_in_ten_and_are_no_narrower_farther_away():
    rows = small()
    whole = learned(rows, SETTINGS, silent)
    held = [held_out(fold, rows, whole, SETTINGS) for fold in folds(rows.table)]
    widths = widths_of(rows.table, held)
    inside = []
    for each in held:
        error = np.log(rows.table.measured_s[each.fold.scored] / predicted_s(each, np.full(len(each.fold.scored), 200.0)))[:, 1]
        around = widths["tpot"].at(each.nearness[:, 1])
        inside += list((error >= around.low) & (error <= around.high))
    assert 0.85 <= np.mean(inside) <= 1.0
    for each in widths.values():
        assert (np.diff(each.high - each.low) <= 1e-12).all()
