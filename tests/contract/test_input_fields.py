"""Each field of what callers send: what is taken, in the forms they send it in, and what is refused by name and value."""

import json
from typing import Any
from uuid import UUID

import pytest

from budsim.adapters.wire.requests import Caller, RequestDefaults, request_from_event
from budsim.core.engines.spec import Endpoint, EngineKind
from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import HardwareMode
from budsim.core.predictors.protocol import Method
from budsim.services.request import SimulationRequest
from budsim.stream.codec import Codec, DecodeFailure, Received
from tests.support.stream_fakes import record
from topics.catalogue import MAX_VALUE_BYTES
from topics.clusters import ClusterUpdated
from topics.feedback import FeedbackGiven
from topics.prices import PriceUpdated
from topics.simulation_requests import SimulationRequested
from topics.wire import Event

WORKFLOW = UUID("1b671a64-40d5-491e-99b0-da01ff1f3341")
DEFAULTS = RequestDefaults(method=Method.REGRESSOR, deadline_s=60.0, source_topics=frozenset({"team.a", "team.b"}))
REQUEST = {"pretrained_model_uri": "org/m", "input_tokens": 1000, "output_tokens": 100, "concurrency": 10}
DEVICE = {"name": "A100", "type": "cuda"}
BODIES: dict[type[Event], dict[str, Any]] = {
    SimulationRequested: REQUEST,
    FeedbackGiven: {"config_id": str(WORKFLOW), "failed": True},
    ClusterUpdated: {"id": "c1", "nodes": [{"id": "n1", "name": "n1", "status": True, "devices": [DEVICE]}]},
    PriceUpdated: {"usd_per_hour": 1.5},
}


def decoded(event: type[Event], body: dict[str, Any]) -> Received[Event] | DecodeFailure:
    return Codec(event, max_value_bytes=MAX_VALUE_BYTES).decode(record(json.dumps(body).encode()))


def reason(event: type[Event], **changes: Any) -> str:
    answer = decoded(event, BODIES[event] | changes)
    assert isinstance(answer, DecodeFailure), f"{changes} is taken"
    return answer.reason


def taken(**changes: Any) -> SimulationRequest:
    answer = decoded(SimulationRequested, REQUEST | changes)
    assert isinstance(answer, Received), answer.reason
    assert isinstance(answer.event, SimulationRequested)
    return request_from_event(answer.event, workflow_id=WORKFLOW, defaults=DEFAULTS, caller=Caller())


LONG = "x" * 256
REFUSED = [
    *[
        (field, value)
        for field in ("input_tokens", "output_tokens", "model_max_context_length")
        for value in (0, -1, 10**7 + 1, 1.5, "many")
    ],
    *[("concurrency", value) for value in (0, 10**5 + 1)],
    *[("request_rate", value) for value in (0, -0.5, 10**6 + 1)],
    *[(field, -1) for field in ("target_ttft", "target_throughput_per_user", "target_e2e_latency")],
    *[(field, 1e300) for field in ("target_ttft", "target_throughput_per_user", "target_e2e_latency")],
    *[(field, LONG) for field in ("pretrained_model_uri", "model_uri", "cluster_id", "project_id", "source")],
    *[(field, "") for field in ("pretrained_model_uri", "model_uri", "cluster_id", "project_id")],
    *[("deadline_s", value) for value in (4.9, 600.1)],
    *[("min_slo_probability", value) for value in (-0.1, 1.1)],
    *[("top_k", value) for value in (0, 51)],
    *[("seed", value) for value in (-1, 2**32)],
    ("workflow_id", "not-a-uuid"),
    ("hardware_mode", "borrowed"),
    ("simulation_method", "oracle"),
    ("engines", ["vllm", "tgi"]),
    ("engines", []),
    ("clusters", []),
    ("source_topic", [LONG]),
    ("usd_per_hour", {"A100": -1}),
    ("usd_per_hour", {str(number): 1 for number in range(1001)}),
]


@pytest.mark.parametrize(("field", "value"), REFUSED, ids=lambda item: str(item)[:30])
def test_a_field_out_of_bounds_is_refused_by_its_name_and_value(field: str, value: Any) -> None:
    found = reason(SimulationRequested, **{field: value})
    assert found.startswith(field)
    assert not isinstance(value, int | float) or str(value) in found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("population", value) for value in (3, 501)],
        *[(field, value) for field in ("generations", "convergence") for value in (0, 201)],
        *[("elite", 0.95), ("elite", -0.1), ("crossover", 1.1), ("mutation", -0.1)],
    ],
)
def test_the_search_settings_are_bounded(field: str, value: float) -> None:
    assert reason(SimulationRequested, search={field: value}).startswith(f"search.{field} = {value}")


@pytest.mark.parametrize(
    ("field", "value"), [("input_tokens", 1), ("input_tokens", 10**7), ("concurrency", 10**5), ("deadline_s", 5), ("deadline_s", 600)]
)
def test_the_ends_of_a_range_are_taken(field: str, value: int) -> None:
    taken(**{field: value})


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_refused_by_the_name_of_its_field(text: str) -> None:
    body = json.dumps(REQUEST | {"target_ttft": 1}).replace('"target_ttft": 1', f'"target_ttft": {text}')
    answer = Codec(SimulationRequested, max_value_bytes=MAX_VALUE_BYTES).decode(record(body.encode()))
    assert isinstance(answer, DecodeFailure)
    assert "target_ttft = " in answer.reason


def test_a_load_must_be_given_and_a_rate_alone_is_one() -> None:
    assert "concurrency (users of a closed loop) or request_rate" in reason(SimulationRequested, concurrency=None)
    assert taken(concurrency=None, request_rate=2.5).workload.request_rate_per_s == 2.5


def test_a_target_that_is_unset_or_zero_is_no_slo() -> None:
    for targets in ({}, {"target_ttft": 0, "target_throughput_per_user": 0, "target_e2e_latency": 0}, {"target_ttft": None}):
        slo = taken(**targets).slo
        assert (slo.ttft_s, slo.throughput_per_user, slo.e2e_s) == (None, None, None)
    assert taken(target_ttft=250).slo.ttft_s == 0.25


def test_names_are_taken_in_any_case() -> None:
    found = taken(simulation_method="Heuristic", hardware_mode="SHARED", engines=["vLLM", "SGLang"], model_endpoints="llm, Embedding")
    assert (found.method, found.hardware_mode) == (Method.HEURISTIC, HardwareMode.SHARED)
    assert found.engines == (EngineKind.VLLM, EngineKind.SGLANG)
    assert found.endpoints == (Endpoint.LLM, Endpoint.EMBEDDING)


@pytest.mark.parametrize("text", ["INT8", "int8", "Fp8", "AWQ", "mxfp4"])
def test_a_quantization_type_is_taken_in_any_case(text: str) -> None:
    assert taken(is_quantization=True, quantization_type=text).quantization == text.lower()
    assert taken(is_quantization=False, quantization_type=text).quantization is None


def test_a_quantization_without_a_type_and_an_endpoint_nobody_knows_are_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidInput, match=r"quantization_type is not given; .*fp8"):
        taken(is_quantization=True)
    with pytest.raises(InvalidInput, match=r"model_endpoints has SPEECH; .*LLM, EMBEDDING"):
        taken(model_endpoints="LLM,speech")


def test_a_source_topic_is_a_text_or_a_list_of_what_is_allowed() -> None:
    assert taken(source_topic="team.a").source_topics == ("team.a",)
    assert taken(source_topic=["team.b", "team.a", "team.b"]).source_topics == ("team.b", "team.a")
    with pytest.raises(InvalidInput, match=r"source_topic elsewhere is not on the allow-list; .*BUDSIM_SOURCE_TOPICS"):
        taken(source_topic=["team.a", "elsewhere"])


def test_null_says_the_same_as_leaving_a_field_out() -> None:
    optional = [name for name, field in SimulationRequested.model_fields.items() if not field.is_required() and name != "concurrency"]
    assert taken(**dict.fromkeys(optional)) == taken()
    assert reason(SimulationRequested, input_tokens=None).startswith("input_tokens = None")


def test_metadata_comes_back_whole_with_fields_of_its_own_but_stays_small() -> None:
    sent = {"name": "n", "subscriber_ids": ["a", "b"], "workflow_id": "theirs", "tenant": {"id": 7}}
    found = taken(notification_metadata=sent)
    assert found.notification_metadata == sent
    assert found.notification_workflow_id == "theirs"
    assert "at most 16,384" in reason(SimulationRequested, notification_metadata={"tenant": "x" * 16_384})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("mem_per_GPU_in_GB", value) for value in (-1, 1e300)],
        *[("core_utilization_percent", 101), ("available_count", -1), ("sockets", 0), ("name", ""), ("type", "x" * 33)],
        *[("peak_fp16_TFLOPS", 1e12), ("hbm_bandwidth_in_GB_per_sec", "fast")],
    ],
)
def test_a_device_figure_out_of_bounds_is_refused_by_its_place(field: str, value: Any) -> None:
    nodes = [{"id": "n1", "name": "n1", "status": True, "devices": [DEVICE | {field: value}]}]
    assert reason(ClusterUpdated, nodes=nodes).startswith(f"nodes.0.devices.0.{field} = ")


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"config_id": "x"}, "config_id"),
        ({"failed": None}, "failed"),
        ({"reason": "x" * 2001}, "reason"),
        ({"observed": {"ttft": -1}}, "observed.ttft = -1"),
        ({"observed": {"concurrency": 0}}, "observed.concurrency = 0"),
    ],
)
def test_feedback_out_of_bounds_is_refused_by_its_field(changes: dict[str, Any], start: str) -> None:
    assert reason(FeedbackGiven, **changes).startswith(start)


@pytest.mark.parametrize("value", [-1, 1e10, "dear", None])
def test_a_price_out_of_bounds_is_refused_by_its_field(value: Any) -> None:
    assert reason(PriceUpdated, usd_per_hour=value).startswith("usd_per_hour")
