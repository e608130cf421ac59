"""Settings: documented, aliased, and clear about a bad value."""

from pathlib import Path

import pytest

from budsim.config import load_settings, settings_markdown
from budsim.core.errors import InvalidInput

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "settings.md"


def test_the_committed_page_is_what_the_class_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_markdown()


def test_the_names_of_the_first_design_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://elsewhere/db")
    monkeypatch.setenv("DEFAULT_SIMULATION_METHOD", "heuristic")
    settings = load_settings()
    assert settings.database_url == "postgresql+asyncpg://elsewhere/db"
    assert settings.default_simulation_method == "heuristic"


def test_a_bad_value_names_the_variable_and_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_POOL_SIZE", "many")
    with pytest.raises(InvalidInput, match=r"BUDSIM_POOL_SIZE = 'many'"):
        load_settings()
