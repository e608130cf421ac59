"""The committed schemas are those of the models, break nobody, and the AsyncAPI document is one."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from budsim.cli.main import app
from budsim.cli.schemas import broken, generated, stale
from topics.catalogue import PartitionCounts, topic_specs
from topics.contract import CONVERSATIONS

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "schemas"
FEEDBACK = "budsim.feedback.given.v1.schema.json"


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["schemas", *arguments])
    return (2 if done.exception and not isinstance(done.exception, SystemExit) else done.exit_code), done.output


def committed(folder: Path, message: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", message]):
        subprocess.run(["git", *arguments], cwd=folder, check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Leave a feedback schema as an earlier release might have committed it."""
    body = json.loads((folder / FEEDBACK).read_text())
    change(body)
    (folder / FEEDBACK).write_text(json.dumps(body))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run("write", "--folder", str(tmp_path))[0] == 0
    return tmp_path


def test_the_committed_schemas_are_those_of_the_models() -> None:
    assert stale(COMMITTED) == [], "run: budsim schemas write"


def test_no_change_since_any_committed_version_breaks_callers() -> None:
    assert broken(COMMITTED) == []


def test_a_schema_that_differs_from_the_models_is_refused(folder: Path) -> None:
    assert run("check", "--folder", str(folder))[0] == 0
    rewritten(folder, lambda body: body.update(title="Otherwise"))
    (folder / "budsim.gone.v1.schema.json").write_text("{}")
    code, output = run("check", "--folder", str(folder))
    assert code == 1
    assert FEEDBACK in output
    assert "budsim.gone.v1" in output


def test_an_incompatible_change_is_neither_written_nor_passed_until_it_is_meant(folder: Path) -> None:
    rewritten(folder, lambda body: body["properties"].update(mood={"type": "string"}))
    code, output = run("write", "--folder", str(folder))
    assert code == 2
    assert f"{FEEDBACK}: $.mood: the field was removed" in output
    assert run("check", "--folder", str(folder))[0] == 1
    assert run("write", "--folder", str(folder), "--break", "nobody ever sent a mood")[0] == 0
    assert run("check", "--folder", str(folder))[0] == 0
    (recorded,) = json.loads((folder / "breaks.json").read_text())
    assert (recorded["file"], recorded["reason"]) == (FEEDBACK, "nobody ever sent a mood")


def test_an_incompatible_change_that_was_committed_all_the_same_is_still_seen(folder: Path) -> None:
    right = (folder / FEEDBACK).read_text()
    rewritten(folder, lambda body: body["required"].remove("failed"))
    committed(folder, "failed may be left out")
    (folder / FEEDBACK).write_text(right)
    committed(folder, "and must be there again")
    code, output = run("check", "--folder", str(folder))
    assert code == 1
    assert f"{FEEDBACK}: $.failed: the field must be there, and was optional" in output


def test_after_a_break_that_was_meant_older_versions_are_promised_no_more(folder: Path) -> None:
    rewritten(folder, lambda body: body["properties"].update(mood={"type": "string"}))
    committed(folder, "moods")
    assert run("write", "--folder", str(folder), "--break", "no moods")[0] == 0
    committed(folder, "no moods")
    assert run("check", "--folder", str(folder))[0] == 0
    (folder / "breaks.json").unlink()
    assert run("check", "--folder", str(folder))[0] == 1


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(generated()["asyncapi.json"])
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolved(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_every_reference_of_the_asyncapi_document_leads_somewhere(document: dict[str, Any]) -> None:
    inner = [item for item in references(document) if item.startswith("#/")]
    assert all(resolved(document, item) for item in inner)
    files = {item.removeprefix("./") for item in references(document) if item.startswith("./")}
    assert files == generated().keys() - {"asyncapi.json"}


def test_every_operation_names_messages_of_its_own_channel(document: dict[str, Any]) -> None:
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert resolved(document, channel)["address"].startswith("budsim.")
        assert all(item["$ref"].startswith(f"{channel}/messages/") for item in operation["messages"])


def test_the_document_holds_every_topic_of_the_catalogue_as_it_is_created(document: dict[str, Any]) -> None:
    topics = {channel["address"]: channel["bindings"]["kafka"] for channel in document["channels"].values()}
    specs = topic_specs("budsim.", PartitionCounts(), ())
    assert topics.keys() == {spec.name for spec in specs}
    for spec in specs:
        configuration = topics[spec.name]["topicConfiguration"]
        assert topics[spec.name]["partitions"] == spec.partitions
        assert configuration["cleanup.policy"] == [spec.cleanup.value]
        assert configuration.get("retention.ms") == spec.retention_ms
        assert configuration["max.message.bytes"] == spec.max_message_bytes


def test_every_message_schema_is_a_json_schema_and_has_a_message() -> None:
    messages = json.loads(generated()["asyncapi.json"])["components"]["messages"]
    for name, text in generated().items():
        if name != "asyncapi.json":
            jsonschema.Draft202012Validator.check_schema(json.loads(text))
    assert messages.keys() == {item.event.__name__ for item in CONVERSATIONS} | {"deadLetter"}


@pytest.mark.skipif(shutil.which("npm") is None, reason="the official schema comes in an npm package")
def test_the_document_is_valid_by_the_official_asyncapi_schema(document: dict[str, Any], tmp_path: Path) -> None:
    packed = subprocess.run(
        ["npm", "pack", "--silent", "@asyncapi/specs@6.11.1"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    if packed.returncode != 0:
        pytest.skip("no package registry is reachable")
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as archive:
        found = archive.extractfile("package/schemas/3.0.0-without-$id.json")
        assert found is not None
        official = json.load(found)
    jsonschema.Draft7Validator(official).validate(document)
    assert not jsonschema.Draft7Validator(official).is_valid(document | {"operations": {"sendIt": {"action": "shout"}}})
