"""The trained predictor: physics times a correction, and features that training and serving share."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.features import FEATURES, features_of, version_number
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.paired import PairedPredictor
from budsim.core.predictors.protocol import Method
from budsim.core.predictors.regressor import RegressorPredictor
from tests.support.physics_shapes import candidate, device, llama_8b, scenario
from tests.support.trained import SteadyModel

PHYSICS = HeuristicPredictor(memory=AnalyticMemory())
ROWS = Candidates.from_rows([candidate(), replace(candidate(), concurrency=32), replace(candidate(), tensor_parallel=2)])


def test_a_prediction_is_physics_times_the_correction_and_e2e_follows_by_identity():
    where = scenario()
    plain = PHYSICS.predict(where, ROWS)
    found = RegressorPredictor(heuristic=PHYSICS, model=SteadyModel()).predict(where, ROWS)
    assert found.ttft_s == pytest.approx(2 * plain.ttft_s)
    assert found.tpot_s == pytest.approx(plain.tpot_s / 2)
    output = where.workload.output_tokens
    assert found.e2e_s == pytest.approx(found.ttft_s + (output - 1) * found.tpot_s)
    assert found.throughput_per_user == pytest.approx(output / found.e2e_s)
    assert found.e2e_interval_s.low == pytest.approx(found.e2e_s / 1.1)
    assert found.throughput_interval.high == pytest.approx(1.1 * found.throughput_per_user)
    assert np.array_equal(found.bound, plain.bound)


def test_it_says_its_method_and_the_version_of_its_set():
    predictor = RegressorPredictor(heuristic=PHYSICS, model=SteadyModel())
    assert (predictor.method, predictor.version) == (Method.REGRESSOR, "steady-1")


def test_a_candidate_has_the_same_features_alone_as_among_others():
    where, model = scenario(), SteadyModel()
    predictor = RegressorPredictor(heuristic=PHYSICS, model=model)
    predictor.predict(where, ROWS)
    for index in range(len(ROWS)):
        predictor.predict(where, Candidates.from_rows([ROWS.row(index)]))
    together, *alone = model.asked
    assert np.concatenate(alone) == pytest.approx(together, nan_ok=True)


def test_what_is_not_known_stays_missing():
    where = scenario(on=replace(device(), fp8_flop_per_s=None))
    where = replace(where, engine=replace(where.engine, version="nightly"))
    found = dict(zip(FEATURES, features_of(where, ROWS, PHYSICS.analysed(where, ROWS)[1])[0], strict=True))
    assert np.isnan(found["fp8"])
    assert np.isnan(found["engine_version"])
    assert np.isfinite(found["fp16"])


@pytest.mark.parametrize(
    ("older", "newer"), [("0.5.6", "0.5.9"), ("0.9.2", "0.10.0"), ("0.19.0", "1.0.0rc3"), ("1.1.0rc2.post2", "1.2.0rc6")], ids=str
)
def test_later_releases_have_larger_numbers(older, newer):
    assert version_number(older) < version_number(newer)


def test_a_date_is_no_release():
    assert np.isnan(version_number("2024.11.3"))


def test_each_pair_is_predicted_by_its_own_model_and_what_has_none_by_vllms_or_physics():
    own, shared = (RegressorPredictor(heuristic=PHYSICS, model=SteadyModel()) for _ in range(2))
    cuda = DeviceType.CUDA
    paired = PairedPredictor({("sglang", cuda): own, ("vllm", cuda): shared}, otherwise=PHYSICS)
    where = scenario()
    sglang = replace(where, engine=replace(where.engine, kind=EngineKind.SGLANG))
    other = replace(where, engine=replace(where.engine, runtime="tgi"))
    rocm = replace(where, device=replace(where.device, device_type=DeviceType.ROCM))
    encoder = replace(where, model=llama_8b(kind=ModelKind.ENCODER))
    assert [paired.predictor_of(each) for each in (sglang, other, rocm, encoder)] == [own, shared, PHYSICS, PHYSICS]
