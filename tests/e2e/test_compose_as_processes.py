"""The compose file without containers: its commands and health checks as plain processes, in the very environment it gives."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from budsim.adapters.data_folder import free_port
from budsim.adapters.embedded_kafka import EmbeddedKafka
from tests.support.databases import Database
from tests.support.programs import ROOT
from tests.support.waiting import wait_until_blocking

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
IMAGE = dict(re.findall(r"(BUDSIM_[A-Z_]+|HF_HOME|PYTHONUNBUFFERED)=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
LASTING = ("flow", "eval", "web")


class Composed:
    """What compose would run, with addresses and folders of this machine in place of the containers'."""

    def __init__(self, folder: Path, kafka: str, dsn: str, prefix: str) -> None:
        self._folder = folder
        self._here = {"kafka:19092": kafka, "postgresql://budsim:budsim@postgres:5432/budsim": dsn}
        self._prefix = prefix
        self._ports = {name: {"8081": free_port(), "8080": free_port()} for name in SERVICES}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "bin").mkdir()
        for name, line in {"budsim": "-P -m budsim.cli", "python": ""}.items():
            program = folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {line} "$@"\n')
            program.chmod(0o755)

    def environment(self, name: str) -> dict[str, str]:
        given = IMAGE | {key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for key, value in SERVICES[name]["environment"].items()}
        replaced = {key: self._here.get(value, value).replace("/var/lib/budsim", str(self._folder / name)) for key, value in given.items()}
        ports = {key: str(self._ports[name].get(value, value)) for key, value in replaced.items()}
        outside = {"PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}", "BUDSIM_TOPIC_PREFIX": self._prefix}
        return ports | outside | {"BUDSIM_PRETRAINED_MODELS_DIR": str(ROOT / "pretrained_models"), "BUDSIM_HUB_ENABLED": "false"}

    def url(self, name: str, port: str) -> str:
        return f"http://127.0.0.1:{self._ports[name][port]}"

    def command(self, name: str) -> list[str]:
        service = SERVICES[name]
        return [*service.get("entrypoint", ["budsim"]), *service["command"]]

    def run(self, name: str) -> "subprocess.CompletedProcess[str]":
        return self._call(self.command(name), name)

    def start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def is_healthy(self, name: str) -> bool:
        kind, *check = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        for port, here in self._ports[name].items():
            check = [word.replace(f"127.0.0.1:{port}", f"127.0.0.1:{here}") for word in check]
        return self._call(check, name).returncode == 0

    def end(self, name: str) -> int:
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(30)

    def _call(self, words: list[str], name: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words,
            env=self.environment(name),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )


@pytest.fixture
def composed(kafka: EmbeddedKafka, database: Database, topic_prefix: str, tmp_path: Path) -> Iterator[Composed]:
    made = Composed(tmp_path, kafka.bootstrap, database.plain_dsn, topic_prefix)
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()


def test_init_then_flow_eval_and_web_become_healthy_answer_over_http_and_end_by_sigterm(composed: Composed) -> None:
    first, again = composed.run("init"), composed.run("init")
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr  # compose runs it at every start
    assert [composed.is_healthy(name) for name in LASTING] == [False, False, False]
    for name in LASTING:
        composed.start(name)
    for name in LASTING:
        wait_until_blocking(lambda name=name: composed.is_healthy(name), 120, what=f"{name} is healthy")  # type: ignore[misc]
    token = subprocess.run(
        ["budsim", "token", "create", "ci"], env=composed.environment("web"), capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()
    examples = ROOT / "budsim" / "cli" / "examples"
    send(composed, token, "PUT", "/clusters/a100-cluster", (examples / "cluster-a100.json").read_bytes())
    answer = send(composed, token, "POST", "/simulator/run?wait=60", (examples / "request.json").read_bytes())
    assert json.loads(answer)["status"].lower() == "completed", answer
    assert [composed.end(name) for name in LASTING] == [0, 0, 0]
    assert [composed.is_healthy(name) for name in LASTING] == [False, False, False]


def send(composed: Composed, token: str, method: str, path: str, body: bytes) -> str:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urlopen(Request(composed.url("web", "8080") + path, data=body, headers=headers, method=method), timeout=90) as response:
        return str(response.read(), "utf-8")
