"""docs/how-to/operate.md names the metrics there are, and all of them."""

import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from budsim.stream import metrics
from budsim.web import metrics as web_metrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
SERIES = re.compile(r"_(bucket|count|sum)$")


def names_of(module: ModuleType) -> set[str]:
    made = [item for item in vars(module).values() if isinstance(item, MetricWrapperBase)]
    return {family.name + "_total" * (family.type == "counter") for metric in made for family in metric.describe()}


EVERY = names_of(metrics) | {metrics.LAG} | names_of(web_metrics)


def test_every_metric_the_page_names_exists() -> None:
    named = {SERIES.sub("", name) for name in re.findall(r"\bbudsim_[a-z_]+", PAGE)}
    assert named <= EVERY


def test_every_metric_stands_in_the_table() -> None:
    assert set(re.findall(r"^\| `(budsim_[a-z_]+)` \|", PAGE, re.MULTILINE)) >= EVERY


def test_names_follow_the_convention() -> None:
    for name in EVERY:
        assert re.fullmatch(r"budsim_[a-z]+(_[a-z]+)*", name)
    counters = {name for name in EVERY if name.endswith("_total")}
    assert {"budsim_messages_total", "budsim_swept_total"} <= counters
    assert "budsim_message_seconds" in EVERY


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
