"""What measured runs tell of a candidate, and how it fades with distance."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.predictors.features import FEATURES
from budsim.core.predictors.likeness import COLUMNS, SHARED, Kernel, covariances, identity
from budsim.core.predictors.neighbours import Neighbours
from budsim.core.predictors.widths import Widths

KERNEL = Kernel(
    shared=dict.fromkeys(SHARED, 0.01), local=0.02, noise=0.001, far=(2.0,) * 9, near=(0.5,) * 9, release=3.0, fade_model=0.0, fade_run=0.0
)


def features(**values: float) -> np.ndarray:
    known = {"users_per_rank": 2.0, "input_tokens": 7.0, "bandwidth": 28.8, "layers": 3.5, "engine_vllm": 1.0, "engine_version": 11.0}
    return np.array([[(known | values).get(name, 0.0) for name in FEATURES]])


def one_run(weight: float = 1.0) -> Neighbours:
    return Neighbours(kernel=KERNEL, points=features()[:, COLUMNS], weights=np.array([weight]))


def test_a_run_exactly_alike_tells_its_weight_times_all_variance():
    # eight kinds of 0.01 that both have in common, and 0.02 of their own configuration
    mean, nearness = one_run(weight=3.0).told(features())
    assert mean[0] == pytest.approx(3.0 * (8 * 0.01 + 0.02))
    assert nearness[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "away",
    [
        {"users_per_rank": 5.0},
        {"layers": 4.5},
        {"bandwidth": 30.0},
        {"engine_version": 19.0},
        {"tensor_parallel": 2.0},
        {"static_batch": 1.0},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_run_tells_less_of_what_differs_from_it(away):
    alike, other = one_run().told(features()), one_run().told(features(**away))
    assert abs(other[0][0]) < alike[0][0]
    assert other[1][0] < alike[1][0]


def test_nothing_is_told_of_another_engine_on_another_device_with_another_model():
    far = features(engine_vllm=0.0, engine_sglang=1.0, bandwidth=33.0, layers=9.0)
    assert one_run(weight=100.0).told(far)[0][0] == pytest.approx(0.0, abs=1e-6)


def many_runs() -> Neighbours:
    """Return 200 runs of few layouts, users and models, some of them twice, with weights of both signs."""
    drawn = np.random.default_rng(1)
    runs = np.concatenate([drawn_features(drawn) for _ in range(200)])[:, COLUMNS]
    return Neighbours(kernel=replace(KERNEL, far=(2.0, 1.5, 3.0) * 3), points=runs, weights=drawn.normal(size=200))


def drawn_features(drawn: np.random.Generator) -> np.ndarray:
    """Return one run or candidate, of the same few models and versions as all others."""
    return features(
        users_per_rank=drawn.choice([0.0, 1.4, 2.8, 4.2]),
        output_tokens=drawn.choice([5.0, 6.0]),
        tensor_parallel=drawn.choice([0.0, 0.7, 1.4]),
        weight_bits=drawn.choice([8.0, 16.0]) / 8.0,
        layers=drawn.choice([3.5, 3.7]),
        engine_version=drawn.choice([11.0, 12.0, np.nan]),
    )


def test_what_many_runs_tell_is_the_sum_over_all_of_them_and_the_nearest_is_the_most_like_of_all():
    near, drawn = many_runs(), np.random.default_rng(2)
    asked = np.concatenate([drawn_features(drawn) for _ in range(100)])
    mean, nearness = near.told(asked)
    found = identity(asked[:, COLUMNS], near.points, near.kernel)
    common = sum(covariances(found, asked[:, COLUMNS], near.points, near.kernel))
    assert mean == pytest.approx(common @ near.weights, rel=1e-6, abs=1e-6)  # less what is next to unrelated
    assert nearness == pytest.approx(common.max(axis=1) / near.kernel.variance)


def test_candidates_are_told_the_same_to_the_bit_in_any_batch():
    near, drawn = many_runs(), np.random.default_rng(3)
    asked = np.concatenate([drawn_features(drawn) for _ in range(300)])
    together = np.stack(near.told(asked))
    for _ in range(40):
        some = drawn.permutation(len(asked))[: drawn.integers(1, 60)]
        told = np.stack(replace(near).told(asked[some]))  # a copy remembers nothing of the batch before
        assert told.tobytes() == together[:, some].tobytes()


def test_what_runs_tell_is_believed_the_less_the_newer_the_model_is():
    fading = replace(KERNEL, fade_model=4.0, fade_run=2.0)
    new = features(layers=4.0)  # e^-½ of the model's likeness, one step of 0.5 away
    plain, careful = (replace(one_run(), kernel=kernel).told(new)[0][0] for kernel in (KERNEL, fading))
    like = np.exp(-0.5)
    anyhow, model = 4 * 0.01, (4 * 0.01 + 0.02) * like  # four kinds know no model, four and what is local do
    assert plain == pytest.approx(anyhow + model)
    assert careful == pytest.approx(anyhow * like**2 + model * like**4)
    assert replace(one_run(), kernel=fading).told(features())[0][0] == pytest.approx(one_run().told(features())[0][0])


def test_runs_that_tell_too_little_count_as_none():
    mean, nearness = one_run().told(features(tensor_parallel=6.6))  # exp(−½·(6.6/2)²) = 0.0043 of the variance, less than 1 %
    assert mean[0] > 0.0
    assert nearness[0] == 0.0


def test_widths_between_knots_lie_on_a_line_and_beyond_them_stay():
    widths = Widths(nearness=np.array([0.2, 0.6]), low=np.array([-0.5, -0.1]), high=np.array([0.7, 0.3]))
    found = widths.at(np.array([0.0, 0.4, 1.0]))
    assert found.low == pytest.approx([-0.5, -0.3, -0.1])
    assert found.high == pytest.approx([0.7, 0.5, 0.3])


def test_a_figure_nobody_knows_does_not_make_every_candidate_a_kind_of_its_own(monkeypatch):
    asked_for: list[int] = []

    def counted(left, right, kernel):
        asked_for.append(len(left))
        return identity(left, right, kernel)

    runs = one_run()
    asked = np.concatenate([features(fp8=np.nan, tensor_parallel=split, users_per_rank=each) for split in (0.0, 1.0) for each in range(20)])
    expected = [runs.told(asked[index : index + 1])[0][0] for index in range(len(asked))]
    with monkeypatch.context() as patched:
        patched.setattr("budsim.core.predictors.neighbours.identity", counted)
        mean, _ = one_run().told(asked)
    assert mean == pytest.approx(expected)
    assert asked_for == [1]  # both layouts share all else
