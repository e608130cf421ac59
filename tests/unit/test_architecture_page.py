"""docs/architecture.md: every test it calls a proof exists, and every sentence has one."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+/test_\w+\.py)(?:::(\w+))?`", PAGE)
TABLE_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NAMED_PATH = re.compile(r"`((?:budsim|agents|topics|tables|tests)/[\w/.]+)`")


@cache
def defined_in(file: str) -> frozenset[str]:
    path = ROOT / "tests" / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_test_the_page_names_exists() -> None:
    assert len(NAMED) > 50
    assert [file for file, _ in NAMED if not defined_in(file)] == []
    assert [f"{file}::{name}" for file, name in NAMED if name and name not in defined_in(file)] == []


def test_every_sentence_has_a_test() -> None:
    guarantees = PAGE[PAGE.index("## Guarantees") : PAGE.index("## Not proven")]
    rows = [row for row in TABLE_ROW.findall(guarantees) if row[0] not in ("sentence", "---")]
    assert len(rows) > 50
    assert [sentence for sentence, proof in rows if "/test_" not in proof] == []


def test_every_path_the_page_names_exists() -> None:
    assert [path for path in NAMED_PATH.findall(PAGE) if not (ROOT / path).exists()] == []
