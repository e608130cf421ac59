"""The report of the regressor: each split beside physics, scored by the code that scores every prediction."""

import numpy as np
import pytest

from budsim.services.accuracy.score import Metric, scores_of
from budsim.services.calibration.report import with_figures
from budsim.services.training.card import Lineage
from budsim.services.training.folds import Split
from budsim.services.training.metrics import Judged, judged
from budsim.services.training.report import BEGIN, END, report_of
from budsim.services.training.train import pairs_of
from tests.support.trained import small, small_training

LINEAGE = Lineage(version="regressor-1", date="2026-01-31", constants="", xgboost="")


def splits() -> list[Judged]:
    table = small().table
    return judged(table, small_training().held, pairs_of(table))


def test_every_split_is_scored_on_every_clean_run_beside_physics_alone():
    rows, found = small(), splits()
    assert [each.split for each in found] == [Split.POINT, Split.SERVER]
    for each in found:
        assert len(each.trained) == len(each.analytic) == len(each.nearness) == 96
        physics = np.abs(rows.analytic_s[:, 1] / rows.table.measured_s[:, 1] - 1).mean()
        assert scores_of(each.analytic)[Metric.TPOT].mape == pytest.approx(physics)
        assert scores_of(each.trained)[Metric.TPOT].mape < physics


def test_the_report_is_written_between_its_own_marks_and_leaves_the_other_figures():
    lines = report_of(small().table, splits(), (), lineage=LINEAGE, ways=small_training().ways)
    before = with_figures("# Accuracy", ["| analytic |"])
    once = with_figures(before, lines, begin=BEGIN, end=END)
    assert with_figures(once, lines, begin=BEGIN, end=END) == once
    assert "| analytic |" in once
    assert "| configuration point | 96 | 5 | 18 / 6 / 6 |" in once
