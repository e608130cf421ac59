"""docs/search.md says what the code does, and the figures that were measured."""

import json
import re

import pytest

from benchmarks.search_page import DECISIONS, FIGURES, PAGE, RESULTS, SPACE, block_of, decision_lines, figure_lines, space_lines
from budsim.core.search.narrowed import FINALISTS
from budsim.core.search.part import Algorithm, Way
from budsim.core.search.strategy import LARGEST_NARROWED, WHOLE

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_space_on_the_page_is_the_one_in_the_code():
    assert block_of(TEXT, SPACE) == space_lines()


@pytest.mark.parametrize(
    ("block", "file", "lines"), [(FIGURES, "search", figure_lines), (DECISIONS, "decisions", decision_lines)], ids=[FIGURES, DECISIONS]
)
def test_the_figures_on_the_page_are_those_measured(block, file, lines):
    assert block_of(TEXT, block) == lines(json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8")))


def test_every_way_through_a_space_is_explained():
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == {each.value for each in Way}
    assert all(f"`{each}`" in TEXT for each in Algorithm)


@pytest.mark.parametrize("bound", [f"up to {WHOLE:,} candidates", f"the {LARGEST_NARROWED:,} candidates", f"the first {FINALISTS},"])
def test_the_bounds_on_the_page_are_those_in_the_code(bound):
    assert bound in TEXT
