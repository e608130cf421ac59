"""A request split into parts: cluster × hardware group × engine, each with an id of its own that never changes."""

from dataclasses import replace
from uuid import UUID

import pytest

from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import Cluster, Device, HardwareMode, Node
from budsim.core.model.catalogue import catalogue_model
from budsim.core.search.part import Part, SetChoice
from budsim.core.units import GB
from budsim.services.model_sets import SetPolicy
from budsim.services.ports import StoredCluster
from budsim.services.split import Split, SplitPolicy, Surroundings, split
from tests.support.storage_values import make_request

WORKFLOW = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
LLAMA = catalogue_model("meta-llama/Llama-3.1-8B")
ENGINES = ["vllm", "sglang"]
POLICY = SplitPolicy(images={}, usd_per_hour={})
POLICY_OF_SETS = replace(POLICY, model_sets=SetPolicy(known=("a-1",)))


def gpu(name: str = "NVIDIA-A100-SXM4-80GB", **more: object) -> Device:
    return Device(**{"name": name, "type": "cuda", "available_count": 8, **more})  # type: ignore[arg-type]


def hami(allocated_gb: float, **more: object) -> Device:
    return gpu(available_count=1, memory_allocated_bytes=allocated_gb * GB, **more)


def asked(
    *devices: Device, cluster_id: str = "c1", prices: dict[str, float] | None = None, policy: SplitPolicy = POLICY, **changes: object
) -> Split:
    cluster = Cluster(id=cluster_id, nodes=(Node(id="n0", name="node-0", ready=True, devices=devices),))
    around = Surroundings(
        clusters=[StoredCluster(cluster=cluster, updated_s=0.0)], prices=prices or {}, blacklist_versions={"c1|cuda": 7}, now_s=0.0
    )
    assert LLAMA is not None
    return split(make_request(WORKFLOW, **changes), LLAMA, around, policy)


def ids(parts: tuple[Part, ...]) -> set[str]:
    return {part.part_id for part in parts}


def test_a_part_is_a_group_and_an_engine():
    parts = asked(gpu(), gpu("NVIDIA L40S")).parts
    assert sorted((part.group.accelerator.name, part.engine.kind) for part in parts) == [
        (device, engine) for device in ("A100-SXM-80GB", "L40S-48GB") for engine in sorted(ENGINES)
    ]
    assert {(part.key, part.blacklist_version) for part in parts} == {("c1|cuda", 7)}


def test_two_shared_groups_of_one_model_are_two_parts():
    # 75.9 and 5.9 of 85.9 GB are free: bands of their own, one device each
    parts = asked(hami(10), hami(80), hardware_mode=HardwareMode.SHARED).parts
    assert len({part.group.memory_bytes for part in parts}) == 2
    assert len(ids(parts)) == len(parts) == 2 * len(ENGINES)


def test_the_same_request_on_the_same_cluster_has_the_same_parts_and_seeds():
    first, again = asked(gpu()).parts, asked(gpu()).parts
    assert [(part.part_id, part.seed) for part in first] == [(part.part_id, part.seed) for part in again]
    assert ids(first).isdisjoint(ids(asked(gpu(), cluster_id="c2").parts))
    assert [part.seed for part in first] != [part.seed for part in asked(gpu(), seed=5).parts]


def test_a_price_sent_goes_before_the_catalogue_and_is_named():
    assert {(part.price.usd_per_hour, part.price.source) for part in asked(gpu()).parts} == {(3.5, "catalogue")}
    sent = asked(gpu(), prices={"c1|cuda": 1.25}).parts
    assert {(part.price.usd_per_hour, part.price.source) for part in sent} == {(1.25, "streamed")}


def test_what_no_engine_runs_or_nobody_knows_is_rejected_with_its_reason():
    found = asked(gpu("Frobnicator 9000"))
    assert found.parts == ()
    assert [item.code for item in found.notes.rejections] == ["device_left_out", "no_devices"]
    restricted = asked(Device(name="HL-225", type="hpu", available_count=8), engines=("sglang",))
    assert [(item.code, item.device_type) for item in restricted.notes.rejections] == [("no_compatible_engine", "hpu")]


def test_a_quantised_request_plans_the_quantised_model():
    parts = asked(gpu(), quantization="fp8").parts
    assert all(part.quantized and part.model.quantization and part.model.quantization.method == "fp8" for part in parts)
    assert not any(part.quantized for part in asked(gpu()).parts)


def formats_of(parts):
    return sorted((part.model.quantization.method if part.model.quantization else "", part.quantized) for part in parts)


def test_of_several_formats_each_is_a_part_of_every_engine():
    parts = asked(gpu(), quantization="fp8,int4,awq", engines=("vllm",)).parts
    assert formats_of(parts) == [("awq", True), ("fp8", True)]
    assert len(ids(parts)) == 2
    assert len({part.seed for part in parts}) == 2


def test_any_format_is_as_stored_and_what_engines_make_as_they_load():
    assert formats_of(asked(gpu(), quantization="any", engines=("vllm",)).parts) == [("", False), ("fp8", True)]


def test_a_single_format_leaves_the_parts_their_ids():
    assert ids(asked(gpu(), quantization="fp8").parts) == ids(asked(gpu()).parts)


def test_a_format_that_nothing_runs_on_a_device_is_told_only_where_no_other_runs():
    amd = {"name": "AMD Instinct MI300X", "type": "rocm", "available_count": 8}
    found = asked(Device(**amd), quantization="fp8,nf4", engines=("vllm",))
    assert formats_of(found.parts) == [("fp8", True)]
    assert found.notes.rejections == ()
    alone = asked(Device(**amd), quantization="nf4", engines=("vllm",))
    assert alone.parts == ()
    assert "no_compatible_engine" in {item.code for item in alone.notes.rejections}


def test_a_format_nobody_knows_is_refused_by_its_name():
    with pytest.raises(InvalidInput, match="'fp7'"):
        asked(gpu(), quantization="fp8, fp7")


def test_the_model_set_of_the_request_stands_on_each_part_and_an_unknown_one_is_refused():
    assert {part.model_set for part in asked(gpu(), model_set="a-1", policy=POLICY_OF_SETS).parts} == {SetChoice(version="a-1")}
    with pytest.raises(InvalidInput, match="model_set 'b-2' is not at hand"):
        asked(gpu(), model_set="b-2", policy=POLICY_OF_SETS)
