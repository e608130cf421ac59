"""Which image runs, and which engine version is in it."""

import pytest

from budsim.core.engines.images import VERSIONS, EngineImages, version_in
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import DeviceType

VLLM, SGLANG = EngineKind.VLLM, EngineKind.SGLANG


@pytest.mark.parametrize(
    ("image", "kind", "version"),
    [
        ("vllm/vllm-openai:v0.11.2", VLLM, "0.11.2"),
        ("registry:5000/vllm/vllm-openai:0.15.1-cu130", VLLM, "0.15.1"),
        ("rocm/vllm:rocm7.0.0_vllm_0.11.2_20251210", VLLM, "0.11.2"),
        ("lmsysorg/sglang:v0.5.6.post2-rocm700-mi35x", SGLANG, "0.5.6.post2"),
        ("vllm/vllm-openai:latest", VLLM, None),
        ("registry:5000/vllm", VLLM, None),
        ("vllm/vllm-openai@sha256:0123456789abcdef", VLLM, None),
        ("vault.habana.ai/gaudi-docker/1.23.0/ubuntu24.04/habanalabs/vllm-installer-2.9.0:latest", VLLM, None),
    ],
)
def test_a_tag_tells_the_version(image, kind, version):
    assert version_in(image, kind) == version


def test_the_image_is_the_given_one_for_the_device_then_for_the_engine_then_the_default():
    given = EngineImages(images={"vllm": "registry/vllm", "vllm/rocm": "registry/vllm-rocm"})
    assert given.image_of(VLLM, DeviceType.ROCM) == "registry/vllm-rocm"
    assert given.image_of(VLLM, DeviceType.CUDA) == "registry/vllm"
    assert EngineImages().image_of(VLLM, DeviceType.CUDA) == f"vllm/vllm-openai:v{VERSIONS[VLLM]}"
    assert EngineImages().image_of(VLLM, DeviceType.HPU).startswith("vault.habana.ai/")


def test_a_version_that_is_asked_for_chooses_the_default_image():
    asked = EngineImages(versions={"vllm": "0.15.1"})
    assert asked.image_of(VLLM, DeviceType.CUDA) == "vllm/vllm-openai:v0.15.1"
    assert asked.version_of(VLLM, DeviceType.CUDA) == "0.15.1"


def test_an_image_built_for_one_version_keeps_it_unless_its_device_is_named():
    assert EngineImages(versions={"vllm": "0.15.1"}).version_of(VLLM, DeviceType.ROCM) == "0.11.2"
    assert EngineImages(versions={"vllm/rocm": "0.15.1"}).version_of(VLLM, DeviceType.ROCM) == "0.15.1"


def test_the_version_follows_the_given_image_and_a_stated_version_wins_over_its_tag():
    image = {"vllm": "registry/vllm:v0.10.2"}
    assert EngineImages(images=image).version_of(VLLM, DeviceType.CUDA) == "0.10.2"
    assert EngineImages(images=image, versions={"vllm": "0.11.2"}).version_of(VLLM, DeviceType.CUDA) == "0.11.2"
    assert EngineImages(images={"vllm": "registry/vllm:ours"}).version_of(VLLM, DeviceType.CUDA) == VERSIONS[VLLM]
