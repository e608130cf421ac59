"""No Docker engine runs here, so what can be proven without one is: the schema, the commands, the files that are copied."""

import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from budsim.cli.main import app
from budsim.config import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def budsim_commands() -> list[list[str]]:
    """Every budsim command line of the compose file and the Dockerfile."""
    commands = [service["command"] for name, service in SERVICES.items() if name in OURS and "entrypoint" not in service]
    for service in SERVICES.values():
        if "entrypoint" in service:
            commands += [line.split()[1:] for line in " ".join(service["command"]).split(" && ")]
    commands.append(json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[-1]))
    return commands


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bBUDSIM_[A-Z_]+\b", text))


def test_the_compose_file_is_valid_by_the_compose_specification() -> None:
    # the schema of the specification, as the package carries it; its Python is not needed
    vendored = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    schema = json.loads(Path(str(vendored)).read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(COMPOSE)


def test_all_five_parts_and_the_initialisation_are_there() -> None:
    assert set(SERVICES) == {"kafka", "postgres", "init", "flow", "eval", "web"}
    assert (SERVICES["kafka"]["image"], SERVICES["postgres"]["image"]) == ("apache/kafka:4.1.1", "postgres:18")
    assert sorted(map(" ".join, budsim_commands())) == ["--help", "db upgrade", "topics apply", "web", "worker eval", "worker flow"]


@pytest.mark.parametrize("command", budsim_commands(), ids=" ".join)
def test_each_command_is_one_that_budsim_has(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_every_lasting_service_has_a_health_check() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"init"}


def test_workers_start_after_topics_and_schema_and_those_after_healthy_servers() -> None:
    for name in ("flow", "eval", "web"):
        assert SERVICES[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
    assert SERVICES["init"]["depends_on"] == {name: {"condition": "service_healthy"} for name in ("kafka", "postgres")}


def test_an_eval_worker_can_be_scaled() -> None:
    assert not {"container_name", "ports", "hostname", "volumes"} & set(SERVICES["eval"])
    assert "BUDSIM_INSTANCE_ID" not in SERVICES["eval"]["environment"]


def test_the_servers_keep_their_data_where_their_images_put_it() -> None:
    assert SERVICES["kafka"]["volumes"] == [f"kafka:{SERVICES['kafka']['environment']['KAFKA_LOG_DIRS']}"]
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert set(COMPOSE["volumes"]) == {"kafka", "postgres"}


def test_ports_are_open_to_this_machine_only() -> None:
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", []))


def test_every_variable_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {f"BUDSIM_{name.upper()}" for name in Settings.model_fields}
    host_only = {"BUDSIM_WEB_PORT"}  # read by compose itself
    assert variables(json.dumps(SERVICES)) | variables(DOCKERFILE) <= known | host_only
    for name, value in SERVICES["web"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value))
    settings = load_settings()
    assert settings.database_url == "postgresql+asyncpg://budsim:budsim@postgres:5432/budsim"
    assert (settings.kafka_bootstrap, settings.host, settings.port, settings.health_port) == ("kafka:19092", "0.0.0.0", 8080, 8081)


def test_the_image_runs_as_a_user_of_its_own() -> None:
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert users == ["budsim"]
    assert DOCKERFILE.index("USER") < DOCKERFILE.index("ENTRYPOINT")


def test_what_the_image_copies_exists_and_is_let_into_the_build() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    admitted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(copied) == sorted(admitted)
    assert [name for name in copied if not (ROOT / name).exists()] == []
