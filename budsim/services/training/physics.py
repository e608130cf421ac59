"""Physics that never saw a fold: its constants refitted to the runs that are left."""

from dataclasses import replace

import numpy as np

from budsim.core.latency.constants import Constants, constants_from
from budsim.services.accuracy.runs import Models
from budsim.services.calibration.fit import Observations, fit_constants
from budsim.services.calibration.folds import selected
from budsim.services.calibration.observe import is_clean, observations
from budsim.services.calibration.store import Provenance, constants_document
from budsim.services.training.folds import Fold, Split
from budsim.services.training.learn import Learnable, learnable
from budsim.services.training.rows import Table, analysed

REFITTED: frozenset[Split] = frozenset(Split) - {Split.POINT, Split.SERVER}  # a point or a layout alone hardly moves a constant


class PhysicsOfFolds:
    """The rows of a table under physics that did not see what a fold holds back."""

    def __init__(self, table: Table, models: Models, constants: Constants, *, whole: Learnable) -> None:
        self._table, self._kernels, self._whole = table, constants.kernels, whole
        # no scored run has what is added for batches, and the batches that a fold holds back teach nothing
        self._of_batches = {key: effect for key, effect in constants.effects.items() if key.startswith("offline:")}
        self._fitted = np.array([row.clean and is_clean(row.row) for row in table.rows])
        fitted = [row.row for row, counts in zip(table.rows, self._fitted, strict=True) if counts]
        self._observed: Observations = observations(fitted, models, constants.kernels)

    def __call__(self, fold: Fold) -> Learnable:
        """Return the rows with physics refitted where a fold takes away more than points or layouts, else with the constants of all."""
        if fold.split not in REFITTED:
            return self._whole
        seen = selected(self._observed, ~fold.held[self._fitted])
        return learnable(self._table, analysed(self._table, self._constants(seen)))

    def _constants(self, seen: Observations) -> Constants:
        document = constants_document(seen, fit_constants(seen), {}, Provenance(date="", sources=()))
        found = constants_from(document, self._kernels)
        return replace(found, effects={**found.effects, **self._of_batches})
