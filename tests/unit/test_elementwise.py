"""One formula for numbers and for columns of numbers."""

import numpy as np
import pytest

from budsim.core.elementwise import column, columns, logarithm, maximum, minimum, rounded_down, rounded_up, square_root, table, where

NUMBERS = (-1.5, 0.0, 2.0, 7.25, float("nan"), float("inf"))


@pytest.mark.parametrize("function", [maximum, minimum], ids=["maximum", "minimum"])
def test_numbers_compare_as_columns_do(function):
    for one in NUMBERS:
        for other in NUMBERS:
            of_columns = function(np.array([one]), np.array([other]))[0]
            assert function(one, other) == pytest.approx(of_columns, nan_ok=True)
            assert function(one, np.array([other]))[0] == pytest.approx(of_columns, nan_ok=True)


@pytest.mark.parametrize("function", [rounded_up, rounded_down, square_root, logarithm], ids=["up", "down", "root", "logarithm"])
def test_numbers_are_turned_into_what_columns_are(function):
    for value in (0.25, 1.0, 3.5, 1e12 + 0.5):
        assert function(value) == function(np.array([value]))[0]


def test_a_condition_chooses_for_all_rows_or_for_each():
    assert where(True, 1.0, 2.0) == 1.0
    assert list(where(np.array([True, False]), 1.0, np.array([3.0, 4.0]))) == [1.0, 4.0]


def test_one_figure_for_all_becomes_a_column():
    assert list(column(2.5, 3)) == [2.5, 2.5, 2.5]
    assert list(column(2, 1)) == [2.0]
    kept = np.array([1.0, 2.0])
    assert column(kept, 2) is kept
    assert column(np.array([1, 2]), 2).dtype == np.float64


def test_figures_of_one_row_become_columns_of_one_row():
    one, two = columns([2.5, np.array([3.0])], 1)
    assert (one.shape, list(one), list(two)) == ((1,), [2.5], [3.0])
    assert [list(each) for each in columns([2.5, np.array([3.0, 4.0])], 2)] == [[2.5, 2.5], [3.0, 4.0]]


def test_of_no_rows_columns_and_tables_are_empty():
    none = np.array([])
    assert [each.shape for each in columns([2.5, none], 0)] == [(0,), (0,)]
    assert table([1.0, none], 0).shape == (0, 2)


def test_figures_stand_beside_each_other_in_a_table():
    assert table([1.0, np.array([2.0])], 1).tolist() == [[1.0, 2.0]]
    assert table([1.0, np.array([2.0, 3.0])], 2).tolist() == [[1.0, 2.0], [1.0, 3.0]]
