"""The knee of a curve, worked by hand."""

import pytest

from budsim.core.ranking.knee import knee


def test_the_knee_is_the_point_farthest_from_the_chord_of_the_unit_square():
    # x scaled 0, ¼, ½, ¾, 1; y scaled 0, 0.6, 0.8, 0.9, 1: they are 0, 0.35, 0.3, 0.15, 0 apart
    assert knee([0, 1, 2, 3, 4], [10.0, 4.0, 2.0, 1.0, 0.0]) == 1


def test_of_one_over_x_it_lies_at_the_root_of_the_range():
    # 1/x from 1 to 100 falls as steeply as its chord, 0.99/99 = 0.01, at x = 10
    xs = list(range(1, 101))
    found = knee(xs, [1.0 / x for x in xs])
    assert found is not None
    assert xs[found] == 10


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9], ids=["small", "one", "large"])
def test_units_do_not_move_it(scale):
    assert knee([scale * x for x in (0, 1, 2, 3, 4)], [scale * y for y in (0.0, 6.0, 8.0, 9.0, 10.0)]) == 1


@pytest.mark.parametrize(
    ("x", "y"),
    [([1, 2, 3, 4], [4.0, 3.0, 2.0, 1.0]), ([1, 2, 3], [5.0, 5.0, 5.0]), ([1, 2], [2.0, 1.0]), ([], [])],
    ids=["straight", "flat", "two points", "none"],
)
def test_a_curve_that_does_not_bend_has_none(x, y):
    assert knee(x, y) is None
