"""budsim token."""

import pytest
from typer.testing import CliRunner

from budsim.cli.main import app
from budsim.core.errors import InvalidInput
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.tokens import PostgresTokens, Token
from tests.support.databases import Database, run_apart


@pytest.fixture
def run(migrated_database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BUDSIM_DATABASE_URL", migrated_database.dsn)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["token", *words], catch_exceptions=False).output


def found(database: Database, secret: str) -> Token | None:
    async def find() -> Token | None:
        engine = create_engine(database.dsn)
        try:
            return await PostgresTokens(create_sessions(engine)).find(secret)
        finally:
            await engine.dispose()

    return run_apart(find)


def test_a_token_is_created_with_its_limits_listed_without_its_secret_and_revoked(run, migrated_database: Database):
    secret = run("create", "ci", "--project", "p1", "--project", "p2", "--cluster", "c1").strip()
    token = found(migrated_database, secret)
    assert token is not None
    assert (token.projects, token.clusters) == (frozenset({"p1", "p2"}), frozenset({"c1"}))
    listed = run("list")
    assert "p1, p2" in listed
    assert secret not in listed
    assert run("revoke", "ci").strip() == "1 revoked"
    assert found(migrated_database, secret) is None
    assert listed.count("UTC") == 1
    assert run("list").count("UTC") == 2


def test_a_name_that_cannot_be_and_one_that_is_not_there_are_refused(run):
    with pytest.raises(InvalidInput, match="not of 1 to 255"):
        run("create", " ")
    with pytest.raises(InvalidInput, match="no live token is named 'nobody'"):
        run("revoke", "nobody")
