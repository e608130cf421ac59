"""What a second model set predicts of the configurations that were recommended with the first."""

import numpy as np

from budsim.core.engines.candidates import Candidates
from budsim.core.predictors.protocol import Interval, Predictor
from budsim.core.search.columns import finite
from budsim.core.search.part import Part, PartResult, Range, SetPrediction
from budsim.core.search.space import scenario_of


def predictions_beside(part: Part, result: PartResult, predictor: Predictor) -> tuple[SetPrediction, ...]:
    """Return the predictions of every configuration of a result, in one call; those that are no real figures are left out.

    Args:
        part: What was searched.
        result: What was found.
        predictor: Of the other model set.
    """
    told = {found.config_id: found for found in (*result.configurations, *result.pareto)}
    if not told:
        return ()
    predictions = predictor.predict(scenario_of(part), Candidates.from_rows([found.candidate for found in told.values()]))
    names = tuple(told)
    return tuple(
        SetPrediction(
            config_id=names[index],
            model_set=predictor.version,
            ttft_s=float(predictions.ttft_s[index]),
            e2e_s=float(predictions.e2e_s[index]),
            throughput_per_user=float(predictions.throughput_per_user[index]),
            ttft_range_s=_range(predictions.ttft_interval_s, index),
            throughput_range=_range(predictions.throughput_interval, index),
            e2e_range_s=_range(predictions.e2e_interval_s, index),
        )
        for index in np.flatnonzero(finite(predictions)).tolist()
    )


def _range(interval: Interval, index: int) -> Range:
    return Range(low=float(interval.low[index]), high=float(interval.high[index]))
