"""Predictions remembered by scenario and candidate, for the parts of a request share devices, and generations share candidates."""

from collections import OrderedDict
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Final

import numpy as np

from budsim.core.engines.candidates import Candidates, IntArray
from budsim.core.engines.spec import Scenario
from budsim.core.predictors.protocol import Method, Predictions, Predictor
from budsim.core.search.columns import joined, take

MAX_REMEMBERED: Final = 50_000  # candidates of one predictor, about 0.5 kB each
_COLUMNS: Final = tuple(column.name for column in fields(Candidates))


@dataclass(slots=True)
class _Known:
    """What was predicted in one scenario: the place of each candidate in the table."""

    places: dict[bytes, int] = field(default_factory=dict)
    table: Predictions | None = None


class RememberedPredictor:
    """A predictor that is asked for no candidate of a scenario twice, as long as it is remembered.

    The scenarios asked for last are kept. A batch is never predicted as one row alone, for one row may be reckoned in another order than
    many: what is answered does not depend on what was asked before.
    """

    def __init__(self, predictor: Predictor, *, most: int = MAX_REMEMBERED) -> None:
        self._predictor = predictor
        self._most = most
        self._known: OrderedDict[Scenario, _Known] = OrderedDict()
        self._size = 0  # kept, for going through the scenarios hashes each of them

    @property
    def method(self) -> Method:
        """The method that really answers."""
        return self._predictor.method

    @property
    def version(self) -> str:
        """Version of the model set or of the constants."""
        return self._predictor.version

    @property
    def size(self) -> int:
        """How many candidates are remembered."""
        return self._size

    def predict(self, scenario: Scenario, candidates: Candidates) -> Predictions:
        """Return the predictions of every candidate, in order."""
        if not 0 < len(candidates) <= self._most:
            return self._predictor.predict(scenario, candidates)
        known = self._known.setdefault(scenario, _Known())
        self._known.move_to_end(scenario)
        keys = _keys(candidates)
        new = {key: row for row, key in enumerate(keys) if key not in known.places}
        if new:
            self._learn(known, scenario, candidates.take(np.array(list(new.values()), dtype=np.int64)), list(new))
        answer = self._answer(known, keys)
        while self.size > self._most and len(self._known) > 1:
            self._size -= len(self._known.popitem(last=False)[1].places)
        if self.size > self._most:
            self._known.clear()
            self._size = 0
        return answer

    def _learn(self, known: _Known, scenario: Scenario, candidates: Candidates, keys: list[bytes]) -> None:
        several: IntArray = np.arange(max(2, len(candidates))) % len(candidates)
        found = self._predictor.predict(scenario, candidates.take(several))
        if len(several) > len(candidates):
            found = take(found, np.arange(len(candidates)))
        self._size += len(keys)
        known.places |= {key: len(known.places) + row for row, key in enumerate(keys)}
        known.table = found if known.table is None else joined([known.table, found])

    def _answer(self, known: _Known, keys: list[bytes]) -> Predictions:
        if known.table is None:
            raise LookupError("nothing is remembered of this scenario")
        return take(known.table, np.array([known.places[key] for key in keys], dtype=np.int64))


def remembered(predictor: Predictor) -> Predictor:
    """Return a predictor with its memory, the same for as long as the process uses it; physics is sooner reckoned than looked up."""
    if predictor.method is Method.HEURISTIC:
        return predictor
    anything: Any = predictor  # a protocol does not say that it can be hashed
    return _with_memory(anything)


@lru_cache(maxsize=16)
def _with_memory(predictor: Any) -> RememberedPredictor:
    return RememberedPredictor(predictor)


def _keys(candidates: Candidates) -> list[bytes]:
    columns = [np.asarray(getattr(candidates, name)) for name in _COLUMNS]
    table = np.column_stack([column.view(np.int64) if column.dtype == np.float64 else column.astype(np.int64) for column in columns])
    width, text = table.itemsize * table.shape[1], np.ascontiguousarray(table).tobytes()
    return [text[start : start + width] for start in range(0, len(text), width)]
