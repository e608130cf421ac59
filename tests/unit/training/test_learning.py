"""What is learned from which rows, and what a fold may not see."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.errors import InvalidInput
from budsim.core.latency.constants import shipped_constants
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.features import FEATURES, MODEL
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.likeness import COLUMNS
from budsim.core.predictors.widths import Widths
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.training.boost import told
from budsim.services.training.folds import Fold, Split, folds
from budsim.services.training.intervals import Misses, batch_widths_of, misses_of, predicted_s, widened, widths_of
from budsim.services.training.krige import kriged
from budsim.services.training.learn import learnable, trees_without
from budsim.services.training.rows import analysed
from budsim.services.training.settings import KERNELS
from budsim.services.training.tune import Option, Shown, Tried, tuned
from tests.support.measured_rows import row
from tests.support.trained import SETTINGS, silent, small, small_training, table


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
    found = soft.without(held, 0.01 * errors[:, None])
    assert found.believed((kernel.fade_model, kernel.fade_run))[:, 0] == pytest.approx(told, abs=1e-6)
    assert found.nearest == pytest.approx(nearness, abs=1e-6)


def test_a_fold_holds_back_all_rows_of_its_label_and_what_they_measured_changes_nothing_of_what_it_is_told():
    rows = small()
    fold = next(each for each in folds(rows.table) if each.split is Split.POINT)
    spoilt = rows.errors.copy()
    spoilt[fold.held] += 0.3
    found = []
    for each in (rows, replace(rows, errors=spoilt)):
        tried = tuned(rows, SETTINGS, lambda _, seen=each: seen, [fold], silent)
        found.append(tried.closed["tpot"].told[0])
    assert found[0] == pytest.approx(found[1])
    assert np.abs(found[0]).max() > 0.01


def test_what_is_chosen_for_a_fold_is_chosen_by_the_rows_that_it_does_not_hold():
    # the first option is right on rows 0 and 1, which the fold holds, the second on rows 2 and 3
    tried = Tried(options=[Option(trees=0, kernel=0, trust=trust, fades=(0.0, 0.0)) for trust in (0.25, 0.5)])
    shown = Shown(fold=Fold(split=Split.MODEL, name="a", held=HELD, scored=np.arange(4)), rows=small(), trees=np.zeros((4, 2, 1)))
    tried.score(shown, np.arange(4), np.ones(4), np.array([[1.0, 0.1], [1.0, 0.1], [0.4, 1.0], [0.4, 1.0]]))
    assert tried.best(HELD) == 1
    assert tried.best(~HELD) == 0


HELD = np.array([True, True, False, False])


def test_an_option_that_is_worse_than_physics_where_all_is_new_loses_to_one_that_gains_less_elsewhere():
    # seen points: 0.2 and 0.5 of physics' error; new models: a third more than physics, or as much
    tried = Tried(options=[Option(trees=0, kernel=0, trust=trust, fades=(0.0, 0.0)) for trust in (0.25, 0.5)])
    for split, factors in ((Split.POINT, (0.2, 0.5)), (Split.MODEL, (1.35, 1.0))):
        fold = Fold(split=split, name="a", held=HELD, scored=np.arange(1))
        shown = Shown(fold=fold, rows=small(), trees=np.zeros((4, 2, 1)))
        tried.score(shown, np.arange(1), np.array([np.log(1 / 1.1)]), np.log1p(0.1 * np.array([factors])) + np.log(1 / 1.1))
    assert tried.best() == 1


def test_points_between_measured_ones_are_predicted_better_than_by_physics():
    rows = small()
    held = [each for each in small_training().held if each.fold.split is Split.POINT]
    scored = np.concatenate([each.fold.scored for each in held])
    tokens = np.full(len(scored), 200.0)
    learned_s = np.concatenate([predicted_s(each, tokens[: len(each.fold.scored)]) for each in held])
    error = [np.abs(each / rows.table.measured_s[scored] - 1).mean(axis=0) for each in (learned_s, rows.analytic_s[scored])]
    assert (error[0] < 0.5 * error[1]).all()


def test_trees_do_not_read_whose_runs_they_see():
    rows = small()
    features = rows.features.copy()
    features[:, [name in MODEL for name in FEATURES]] += 7.0
    trees = trees_without(rows, 1, SETTINGS.trees[0], SETTINGS)
    assert told(trees, features) == pytest.approx(told(trees, rows.features))


def test_later_releases_and_medians_are_told_no_longer_times():
    rows = small()
    for name, target in (("engine_version", 0), ("engine_version", 1), ("median", 0)):
        at = FEATURES.index(name)
        drawn = np.random.default_rng(4)
        features = rows.features.copy()
        features[:, at] = drawn.integers(0, 2, len(features)) if name == "median" else drawn.uniform(5.0, 25.0, len(features))
        slower = replace(rows, features=features, errors=0.1 * features[:, [at, at]] + rows.errors)  # the data say: slower and slower
        booster = trees_without(slower, target, SETTINGS.trees[1], SETTINGS)
        steps = [told(booster, np.where(np.arange(features.shape[1]) == at, value, features)) for value in (0.0, 0.5, 1.0, 12.0, 30.0)]
        assert (np.diff(np.array(steps), axis=0) <= 1e-7).all(), name


def test_intervals_cover_nine_in_ten_and_are_no_narrower_farther_away():
    rows, held = small(), small_training().held
    misses = misses_of(rows.table, held)
    widths = widths_of(misses)
    around = widths["tpot"].at(misses.nearness[:, 1])
    assert 0.85 <= np.mean((misses.errors[:, 1] >= around.low) & (misses.errors[:, 1] <= around.high)) <= 1.0
    for each in widths.values():
        assert (np.diff(each.high - each.low) <= 1e-12).all()


def misses(errors: list[float], *, hard: bool = True) -> Misses:
    count = len(errors)
    return Misses(
        index=np.arange(count),
        hard=np.full(count, hard),
        nearness=np.full((count, 2), 0.5),
        errors=np.tile(np.array(errors)[:, None], (1, 3)),
    )


TENTH = {name: Widths(nearness=np.zeros(1), low=np.array([-0.1]), high=np.array([0.1])) for name in ("ttft", "tpot", "e2e")}


def test_a_pair_without_runs_has_wider_intervals_and_one_with_many_as_wide_as_its_errors():
    unknown = widened(TENTH, misses([]))["tpot"].high[0]
    steady = widened(TENTH, misses([0.05] * 4000))["tpot"].high[0]
    wild = widened(TENTH, misses([0.2] * 4000))["tpot"].high[0]
    few = widened(TENTH, misses([0.2] * 40))["tpot"].high[0]
    assert unknown == pytest.approx(0.13)
    assert steady == pytest.approx(0.1, rel=0.01)
    assert wild == pytest.approx(0.2, rel=0.01)
    assert few == pytest.approx(0.1 * (40 * 2.0 + 40 * 1.3) / 80)


def test_batches_have_the_widths_of_what_new_models_devices_and_sites_missed():
    easy, hard = misses([0.01] * 200, hard=False), misses([2.0] * 100 + [-1.5] * 100)
    both = Misses(
        **{name: np.concatenate([getattr(each, name) for each in (easy, hard)]) for name in ("index", "hard", "nearness", "errors")}
    )
    found = batch_widths_of(both)["batch_tpot"].at(np.array([0.0, 0.9]))
    assert found.high == pytest.approx([2.0, 2.0])
    assert found.low == pytest.approx([-1.5, -1.5])


def test_runs_measured_over_and_over_weigh_less_each_and_more_together():
    many, few = [row(group_id=str(each), concurrency=str(each + 1)) for each in range(16)], row(hardware="A100-SXM-80GB", group_id="x")
    weights = learnable(found := table(*many, few), analysed(found, shipped_constants())).weights[:, 1]
    assert weights[16] == pytest.approx(4.0 * weights[0])  # √16
    assert weights.sum() == pytest.approx(17.0)


def test_one_campaign_published_in_several_places_is_one_source():
    rows = [row(source=f"InferenceX of {place}", group_id=place) for place in ("a", "b")] + [row(source="somebody else", group_id="c")]
    assert [each.site for each in table(*rows).rows] == ["InferenceX", "InferenceX", "somebody else"]
