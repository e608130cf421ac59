"""Which recorded release speaks for a version, and what it accepts."""

import pytest

from budsim.core.engines.flags import has_choice, has_flag, is_legal, reads_variable
from budsim.core.engines.images import VERSIONS
from budsim.core.engines.releases import accepted, recorded_releases, registered_architectures, release_of
from budsim.core.engines.spec import EngineKind

VLLM = EngineKind.VLLM


def vllm(version=VERSIONS[VLLM]):
    return release_of(VLLM, version)


@pytest.mark.parametrize(
    ("version", "speaks"),
    [
        ("0.11.2", "0.11.2"),
        ("0.12.0", "0.11.2"),  # the newest that is not newer
        ("0.10.2.post1", "0.10.2"),
        ("0.9.1", "0.8.5"),
        ("0.6.6", "0.7.3"),  # older than all
        ("1.0", "0.33.0"),
    ],
)
def test_a_version_is_spoken_for_by_the_newest_recorded_release_that_is_not_newer(version, speaks):
    assert vllm(version).version == speaks


@pytest.mark.parametrize("kind", list(EngineKind))
def test_the_release_that_is_recommended_is_recorded_with_its_source(kind):
    assert VERSIONS[kind] in {release.version for release in recorded_releases(kind)}
    assert all(release.source and len(accepted(release)) > 5 for release in recorded_releases(kind))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("scheduler-delay-factor", 0.5),  # V0 only
        ("task", "embed_all"),
        ("max-num-seqs", "256"),
        ("max-num-seqs", True),
        ("block-size", 24),
        ("kv-cache-dtype", "int8"),
        ("tool-call-parser", "llama3"),  # SGLang's name
        ("no-max-num-seqs", True),
        ("VLLM_USE_V1", "0"),  # a variable is no flag
        ("", ""),
    ],
)
def test_what_vllm_would_refuse_is_not_legal(flag, value):
    assert not is_legal(vllm(), flag, value)


def test_a_switch_has_an_opposite_and_a_plain_flag_has_none():
    assert is_legal(vllm(), "no-enable-prefix-caching", True)
    assert is_legal(vllm(), "headless", True)
    assert not is_legal(vllm(), "no-headless", True)


@pytest.mark.parametrize(
    ("version", "flag", "there"),
    [
        ("0.8.5", "scheduler-delay-factor", True),
        ("0.10.2", "scheduler-delay-factor", True),
        ("0.11.2", "scheduler-delay-factor", False),
        ("0.8.5", "runner", False),
        ("0.10.2", "runner", True),
        ("0.33.0", "task", False),
        ("0.33.0", "swap-space", False),
        ("0.7.3", "enable-expert-parallel", False),
    ],
)
def test_flags_come_and_go_with_releases(version, flag, there):
    assert has_flag(vllm(version), flag) is there


def test_parsers_come_with_releases():
    assert not has_choice(vllm("0.8.5"), "reasoning-parser", "qwen3")
    assert has_choice(vllm("0.11.2"), "reasoning-parser", "qwen3")


def test_sglang_named_its_graphs_for_decode_later_on():
    assert has_flag(release_of(EngineKind.SGLANG, "0.5.9"), "cuda-graph-max-bs")
    assert not has_flag(release_of(EngineKind.SGLANG, "0.5.23"), "cuda-graph-max-bs")
    assert has_flag(release_of(EngineKind.SGLANG, "0.5.23"), "cuda-graph-max-bs-decode")


def test_variables_are_those_the_release_reads():
    assert reads_variable(vllm("0.10.2"), "VLLM_USE_V1")
    assert not reads_variable(vllm("0.11.2"), "VLLM_USE_V1")
    assert reads_variable(vllm(), "PT_HPU_ENABLE_LAZY_COLLECTIVES")
    assert not reads_variable(vllm(), "VLLM_NOBODY_READS_THIS")


def test_registries_grow():
    assert "Qwen3ForCausalLM" not in registered_architectures(vllm("0.7.3"))
    assert registered_architectures(vllm())["Qwen3ForCausalLM"] == "text_generation"
    assert "GptOssForCausalLM" in registered_architectures(release_of(EngineKind.SGLANG, "0.5.9"))
    assert not registered_architectures(release_of(EngineKind.LITELLM, "1.80.0"))
