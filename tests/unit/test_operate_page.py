"""docs/how-to/operate.md names the metrics there are, and all of a worker's."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from budsim.stream import metrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
SERIES = re.compile(r"_(bucket|count|sum)$")


def names_of(module: ModuleType) -> set[str]:
    made = [item for item in vars(module).values() if isinstance(item, MetricWrapperBase)]
    return {family.name + "_total" * (family.type == "counter") for metric in made for family in metric.describe()}


def web_names() -> set[str]:
    found = importlib.util.find_spec("budsim.web.metrics")
    return names_of(importlib.import_module("budsim.web.metrics")) if found else set()


WORKER = names_of(metrics) | {metrics.LAG}


def test_every_metric_the_page_names_exists() -> None:
    named = {SERIES.sub("", name) for name in re.findall(r"\bbudsim_[a-z_]+", PAGE)}
    assert named <= WORKER | web_names()


def test_every_metric_of_a_worker_stands_in_the_table() -> None:
    assert set(re.findall(r"^\| `(budsim_[a-z_]+)` \|", PAGE, re.MULTILINE)) >= WORKER


def test_names_follow_the_convention() -> None:
    for name in WORKER:
        assert re.fullmatch(r"budsim_[a-z]+(_[a-z]+)*", name)
    counters = {name for name in WORKER if name.endswith("_total")}
    assert {"budsim_messages_total", "budsim_swept_total"} <= counters
    assert "budsim_message_seconds" in WORKER


def test_the_alerts_are_rules_prometheus_can_load() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    rules = yaml.safe_load(block)["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 5
    for rule in rules:
        assert "budsim_" in rule["expr"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("line", re.findall(r"^\| `([a-z ]+): …`", PAGE, re.MULTILINE))
def test_the_lines_the_page_explains_are_logged(line: str) -> None:
    sources = (Path(__file__).resolve().parents[2] / "budsim").rglob("*.py")
    assert any(f'"{line}: ' in path.read_text(encoding="utf-8") for path in sources)
