"""Rows of the data files that lie beside this module."""

import csv
from collections.abc import Mapping
from importlib.resources import files


def rows(name: str) -> list[Mapping[str, str]]:
    """Return the rows of one of this package's CSV files, by column."""
    with files(__package__).joinpath(name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
