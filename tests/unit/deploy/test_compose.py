"""The compose file and the image, as far as they can be proven without an engine."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from budsim.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "budsim"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_of_the_compose_file_is_one_of_ours(name: str) -> None:
    result = CliRunner().invoke(app, [*OURS[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


def test_every_long_running_service_has_a_health_check() -> None:
    one_shot = {"topics", "schema"}
    assert {name for name, service in COMPOSE["services"].items() if "healthcheck" not in service} == one_shot


def test_named_volumes_are_declared_and_used() -> None:
    used = {volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_dependencies_name_services_and_wait_for_the_right_thing() -> None:
    for service in COMPOSE["services"].values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] == ("service_completed_successfully" if name in ("topics", "schema") else "service_healthy")
            assert name in COMPOSE["services"]


def test_the_image_runs_as_another_user_than_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER budsim"]
