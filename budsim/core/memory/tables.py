"""Rows of the data files that lie beside this module."""

import csv
from collections.abc import Mapping
from importlib.resources import files


def rows(name: str) -> list[Mapping[str, str]]:
    """Return the rows of one of this package's CSV files, by column."""
    return list(csv.DictReader(files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()))
