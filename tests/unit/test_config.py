"""Settings: names, bounds, and what a wrong value says."""

import ssl
from pathlib import Path

import pytest

from budsim.config import load_settings, settings_markdown
from budsim.core.errors import InvalidInput
from budsim.core.predictors.protocol import Method

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("variable", "value", "field", "meant"),
    [
        ("DATABASE_URL", "postgresql://u:p@db:5432/sim", "database_url", "postgresql+asyncpg://u:p@db:5432/sim"),
        ("BENCHMARK_PREDICTOR_MODELS_DIR", "/cache/models", "pretrained_models_dir", Path("/cache/models")),
        ("MODEL_REGISTRY_DIR", "/registry", "model_registry_dir", Path("/registry")),
        ("DEFAULT_SIMULATION_METHOD", "heuristic", "default_simulation_method", Method.HEURISTIC),
        ("SKIP_MASTER_NODE_FOR_CPU", "false", "skip_master_node_for_cpu", False),
        ("VLLM_IMAGE", "registry/vllm:1", "vllm_image", "registry/vllm:1"),
        ("SGLANG_IMAGE", "registry/sglang:1", "sglang_image", "registry/sglang:1"),
        ("LITELLM_IMAGE", "registry/litellm:1", "litellm_image", "registry/litellm:1"),
        ("LATENTBUD_IMAGE", "registry/latentbud:1", "latentbud_image", "registry/latentbud:1"),
        ("HF_HUB_OFFLINE", "1", "hub_offline", True),
        ("TRANSFORMERS_OFFLINE", "yes", "hub_offline", True),
    ],
)
def test_the_names_of_the_original_service_are_accepted(
    variable: str, value: str, field: str, meant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load_settings(), field) == meant


def test_our_name_wins_over_the_original_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://old/x")
    monkeypatch.setenv("BUDSIM_DATABASE_URL", "postgresql://new/x")
    assert load_settings().database_url == "postgresql+asyncpg://new/x"


def test_dropped_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = load_settings()
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")
    monkeypatch.setenv("NFD_DETECTION_TIMEOUT", "300")
    assert load_settings() == unset


def test_our_own_name_wins_over_the_original_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_IMAGE", "theirs:1")
    monkeypatch.setenv("BUDSIM_VLLM_IMAGE", "ours:1")
    assert load_settings().vllm_image == "ours:1"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_INSTANCE_ID", "")
    monkeypatch.setenv("BUDSIM_PORT", "")
    assert (load_settings().instance_id, load_settings().port) == (None, 8080)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("BUDSIM_PORT", "abc", "BUDSIM_PORT = 'abc': Input should be a valid integer"),
        ("BUDSIM_DEADLINE_S", "3", "BUDSIM_DEADLINE_S = '3': Input should be greater than or equal to 5"),
        ("DEFAULT_SIMULATION_METHOD", "magic", "DEFAULT_SIMULATION_METHOD = 'magic': Input should be 'regressor' or 'heuristic'"),
        ("BUDSIM_DEVICE_IMAGES", "{x", "BUDSIM_DEVICE_IMAGES is not valid JSON"),
        ("BUDSIM_ENGINE_VERSIONS", '{"vllm": "latest"}', "BUDSIM_ENGINE_VERSIONS = {'vllm': 'latest'}: 'latest' of vllm is no release"),
        ("BUDSIM_DEVICE_IMAGES", '{"vlm/rocm": "x"}', "BUDSIM_DEVICE_IMAGES = {'vlm/rocm': 'x'}: 'vlm/rocm' is no engine/device"),
        ("BUDSIM_USD_PER_HOUR", '{"L40S": -1}', "BUDSIM_USD_PER_HOUR = -1: Input should be greater than or equal to 0"),
        ("BUDSIM_MIN_INSYNC_REPLICAS", "2", "BUDSIM_MIN_INSYNC_REPLICAS = 2 is above BUDSIM_REPLICATION_FACTOR = 1"),
        ("BUDSIM_KAFKA_SASL_MECHANISM", "PLAIN", "BUDSIM_KAFKA_SASL_MECHANISM needs BUDSIM_KAFKA_USERNAME and BUDSIM_KAFKA_PASSWORD"),
        ("BUDSIM_TABLE_STORE", "redis://", "BUDSIM_TABLE_STORE = 'redis://': Input should be 'rocksdb://' or 'memory://'"),
    ],
)
def test_a_bad_value_is_one_line_with_the_variable_the_value_and_the_remedy(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    line = str(caught.value)
    assert line.startswith(said)
    assert "docs/how-to/settings.md" in line
    assert "\n" not in line


def test_an_error_never_shows_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:hunter2@x/y")
    with pytest.raises(InvalidInput, match="DATABASE_URL: must begin with postgresql://") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_kafka_speaks_sasl_over_tls_when_both_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SASL_MECHANISM": "SCRAM-SHA-512", "USERNAME": "sim", "PASSWORD": "pw", "TLS": "true"}.items():
        monkeypatch.setenv(f"BUDSIM_KAFKA_{name}", value)
    options = load_settings().kafka.options()
    assert isinstance(options.pop("ssl_context"), ssl.SSLContext)
    assert options == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "sim",
        "sasl_plain_password": "pw",
    }


def test_kafka_is_plain_by_default() -> None:
    assert load_settings().kafka.options() == {"bootstrap_servers": "127.0.0.1:9092", "security_protocol": "PLAINTEXT"}


def test_a_missing_certificate_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BUDSIM_KAFKA_TLS_CA", str(tmp_path / "ca.pem"))
    with pytest.raises(InvalidInput, match=r"ca\.pem cannot be used"):
        _ = load_settings().kafka


def test_images_of_devices_come_beside_the_engines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_IMAGE", "vllm:1")
    monkeypatch.setenv("BUDSIM_DEVICE_IMAGES", '{"vllm/rocm": "vllm-rocm:1"}')
    assert load_settings().images == {"vllm": "vllm:1", "vllm/rocm": "vllm-rocm:1"}


def test_source_topics_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_SOURCE_TOPICS", "bud-serve, bud-app,")
    assert load_settings().source_topics == {"bud-serve", "bud-app"}


def test_the_committed_page_of_settings_is_up_to_date() -> None:
    page = ROOT / "docs" / "how-to" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_markdown(), "run: budsim settings --write docs/how-to/settings.md"


def test_the_model_set_that_ships_lies_beside_the_package_wherever_one_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().pretrained_models_dir == ROOT / "pretrained_models"


def test_a_share_for_the_second_model_set_needs_that_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_AB_SHARE", "0.1")
    with pytest.raises(InvalidInput, match=r"BUDSIM_AB_SHARE = 0.1 needs BUDSIM_SHADOW_MODELS"):
        load_settings()
    monkeypatch.setenv("BUDSIM_SHADOW_MODELS", "/models/next")
    assert (load_settings().ab_share, load_settings().shadow_models, load_settings().shadow_share) == (0.1, Path("/models/next"), 1.0)


@pytest.mark.parametrize("variable", ["BUDSIM_AB_SHARE", "BUDSIM_SHADOW_SHARE"])
def test_a_share_lies_between_0_and_1(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_SHADOW_MODELS", "/models/next")
    monkeypatch.setenv(variable, "10")
    with pytest.raises(InvalidInput, match=f"{variable} = '10'"):
        load_settings()
