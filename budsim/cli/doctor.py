"""`budsim doctor`: everything BudSim needs, checked and told in one table."""

import asyncio
import difflib
import os
from collections.abc import Awaitable, Iterator
from typing import Final, TypeVar

from budsim.adapters.memory_calculator import is_installed, load_calculator
from budsim.adapters.topic_admin import MISSING, OK
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from budsim.cli.checks import Check, State, good, tell, wrong
from budsim.cli.output import AsJson, one_line
from budsim.cli.packages import OURS, check_package
from budsim.cli.set_checks import set_checks
from budsim.config import PREFIX, Settings, load_settings, variables
from budsim.core.errors import BudSimError
from budsim.core.model.catalogue import catalogue as model_catalogue
from budsim.storage import migrate

T = TypeVar("T")
OWN_MEMORY: Final = "recommendations use our own"
ANSWER_S: Final = 10.0  # longest wait for a server
SET_ELSEWHERE: Final = frozenset({"BUDSIM_WEB_PORT"})  # read by docker compose, not by us


def doctor(as_json: AsJson = False) -> None:
    """Check settings, Kafka, topics, PostgreSQL, migrations, models and package names; exit 1 when something is wrong.

    Example: budsim doctor --json
    """
    tell(asyncio.run(_checks()), as_json=as_json)


async def _checks() -> list[Check]:
    beside = [*map(check_package, OURS), _calculator()]
    try:
        settings = load_settings()
        _ = settings.kafka  # its certificates are read here
    except BudSimError as error:
        return [Check(check="settings", state=State.WRONG, found=one_line(error)), *beside]
    servers = await asyncio.gather(_topics(settings), _migrations(settings))
    return [_settings(settings), *(check for group in servers for check in group), *_models(settings), *beside]


def _settings(settings: Settings) -> Check:
    known = variables()
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known | SET_ELSEWHERE)
    if not unknown:
        return good("settings", f"{len(settings.model_fields_set)} set; prefix {settings.topic_prefix}")
    meant = {name: difflib.get_close_matches(name, known, n=1) for name in unknown}
    found = "; ".join(f"{name} is no setting" + (f", did you mean {near[0]}?" if near else "") for name, near in meant.items())
    return Check(check="settings", state=State.WRONG, found=found)


async def _topics(settings: Settings) -> list[Check]:
    states, trouble = await _asked(topic_admin(settings).list(topic_specs(settings)))
    if states is None:
        return [wrong("kafka", trouble), wrong("topics", "not checked: Kafka is away")]
    odd = [f"{state.name}: {state.state}" for state in states if state.state != OK]
    remedy = " Run: budsim topics apply" if any(state.state == MISSING for state in states) else ""
    kafka = good("kafka", settings.kafka_bootstrap)
    topics = Check(
        check="topics", state=State.WRONG if odd else State.OK, found="; ".join(odd) + remedy if odd else f"{len(states)} as they should be"
    )
    return [kafka, topics]


async def _migrations(settings: Settings) -> list[Check]:
    revision, trouble = await _asked(migrate.current(settings.database_url))
    if trouble:
        return [wrong("postgresql", trouble), wrong("migrations", "not checked: PostgreSQL is away")]
    newest = migrate.head()
    where = settings.database_url.rpartition("@")[2]
    migrations = good("migrations", f"at {revision}, the newest")
    if revision != newest:
        migrations = wrong("migrations", f"at {revision or 'nothing'}, newest {newest}. Run: budsim db upgrade")
    return [Check(check="postgresql", state=State.OK, found=where), migrations]


async def _asked(question: Awaitable[T]) -> tuple[T | None, str]:
    """Return the answer, or what is wrong."""
    try:
        return await asyncio.wait_for(question, ANSWER_S), ""
    except BudSimError as error:
        return None, one_line(error)
    except TimeoutError:
        return None, f"no answer within {ANSWER_S:.0f} s"


def _models(settings: Settings) -> Iterator[Check]:
    yield good("model catalogue", f"{len(model_catalogue())} models")
    registry = settings.model_registry_dir
    if registry.is_dir():
        yield good("model registry", f"{sum(1 for _ in registry.rglob('config.json'))} in {registry}")
    else:  # the default need not exist; one that was named must
        state = State.WRONG if "model_registry_dir" in settings.model_fields_set else State.ABSENT
        yield Check(check="model registry", state=state, found=f"{PREFIX}MODEL_REGISTRY_DIR = {registry} is no folder")
    yield from set_checks(settings)
    yield Check(check="model hub", state=State.OK if settings.hub_enabled else State.ABSENT, found=_hub(settings))


def _hub(settings: Settings) -> str:
    if not settings.hub_enabled:
        return "not asked: BUDSIM_HUB_ENABLED is false"
    if settings.hub_offline:
        return "only what was downloaded before: BUDSIM_HUB_OFFLINE or HF_HUB_OFFLINE is set"
    return f"asked for models outside the registry, at most {settings.hub_timeout_s:g} s"


def _calculator() -> Check:
    name = "llm-memory-calculator"
    if not is_installed():
        return Check(check=name, state=State.ABSENT, found="not installed; our own memory model is used")
    try:
        load_calculator()
    except BudSimError as error:
        return wrong(name, one_line(error))
    return good(name, f"installed; budsim.adapters.memory_calculator plans with it, {OWN_MEMORY}")
