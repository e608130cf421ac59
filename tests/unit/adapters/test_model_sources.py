"""Sources of model shapes: their order, what they refuse, and what an unreachable hub costs."""

import asyncio
import json
import threading
from pathlib import Path

import pytest

from budsim.adapters.hub_configs import HubAway, HubConfig, HubOptions, read_folder
from budsim.adapters.model_sources import HUB_PAUSE_S, ModelSources
from budsim.core.errors import InvalidInput, ModelNotFound, UnsupportedModel
from budsim.core.model.huggingface_config import model_from_config
from tests.support.plain_config import TINY
from tests.support.waiting import wait_until

ON = HubOptions(enabled=True, timeout_s=5.0)
OFF = HubOptions(enabled=False)


class FakeHub:
    def __init__(self, configs: dict[str, dict[str, object]], *, away: bool = False) -> None:
        self.configs = configs
        self.away = away
        self.asked: list[str] = []

    def __call__(self, uri: str, _: HubOptions) -> HubConfig | None:
        self.asked.append(uri)
        if self.away:
            raise HubAway("no route")
        found = self.configs.get(uri)
        return None if found is None else HubConfig(config=found, revision="abc123")


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def _folder(root: Path, name: str, text: str) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "config.json").write_text(text)


async def test_a_folder_of_the_registry_comes_before_the_hub(tmp_path: Path) -> None:
    _folder(tmp_path, "org/tiny", json.dumps(TINY))
    hub = FakeHub({"org/tiny": {**TINY, "hidden_size": 32}})
    found = await ModelSources(registry=tmp_path, hub=ON, fetch=hub).resolve("org/tiny")
    assert (found.hidden_size, found.source, hub.asked) == (64, "registry", [])


async def test_the_hub_comes_before_the_catalogue_and_gives_its_commit(tmp_path: Path) -> None:
    hub = FakeHub({"Qwen/Qwen3-8B": TINY})
    found = await ModelSources(registry=tmp_path, hub=ON, fetch=hub).resolve("Qwen/Qwen3-8B")
    assert (found.source, found.revision, found.hidden_size) == ("hub", "abc123", 64)


async def test_the_catalogue_answers_for_what_the_hub_will_not_give(tmp_path: Path) -> None:
    hub = FakeHub({})
    sources = ModelSources(registry=tmp_path, hub=ON, fetch=hub)
    assert (await sources.resolve("meta-llama/Llama-3.1-8B")).hidden_size == 4096
    # an unknown or gated repository is no outage: the next model is asked for at once
    await sources.resolve("Qwen/Qwen3-8B")
    assert hub.asked == ["meta-llama/Llama-3.1-8B", "Qwen/Qwen3-8B"]


async def test_an_unreachable_hub_is_asked_once_by_a_burst_and_left_alone_for_a_while(tmp_path: Path) -> None:
    hub, clock = FakeHub({}, away=True), FakeClock()
    sources = ModelSources(registry=tmp_path, hub=ON, fetch=hub, monotonic_s=clock)
    await asyncio.gather(*(sources.resolve(name) for name in ("Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "openai/gpt-oss-20b")))
    assert len(hub.asked) == 1
    clock.now_s += HUB_PAUSE_S + 1
    hub.away, hub.configs = False, {"Qwen/Qwen3-8B": TINY}
    assert (await sources.resolve("Qwen/Qwen3-8B")).source == "hub"


async def test_each_time_the_hub_is_away_again_it_is_left_alone_twice_as_long(tmp_path: Path) -> None:
    hub, clock = FakeHub({}, away=True), FakeClock()
    sources = ModelSources(registry=tmp_path, hub=ON, fetch=hub, monotonic_s=clock)
    asked = []
    for _ in range(8):  # one request in each pause of the shortest length
        await sources.resolve("Qwen/Qwen3-8B")
        asked.append(len(hub.asked))
        clock.now_s += HUB_PAUSE_S
    assert asked == [1, 2, 2, 3, 3, 3, 3, 4]


class SilentHub:
    """Answers when it is allowed to, as a network without a route does in the end."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self, uri: str, _: HubOptions) -> HubConfig | None:
        self.released.wait(60)
        return HubConfig(config=TINY, revision="late")


async def test_a_catalogued_model_waits_a_second_for_a_silent_hub_and_takes_its_late_answer_next_time(tmp_path: Path) -> None:
    hub = SilentHub()
    sources = ModelSources(registry=tmp_path, hub=HubOptions(enabled=True, timeout_s=60.0), fetch=hub)
    async with asyncio.timeout(30):  # the hub would keep it 60 s
        first = await sources.resolve("Qwen/Qwen3-8B")
        again = await sources.resolve("Qwen/Qwen3-8B")  # and costs nothing the second time
    assert [found.source.partition(":")[0] for found in (first, again)] == ["catalogue", "catalogue"]
    hub.released.set()

    async def late() -> bool:
        return (await sources.resolve("Qwen/Qwen3-8B")).source == "hub"

    await wait_until(late, 30, what="the hub's late answer is used")


def test_a_program_does_not_wait_for_a_silent_hub_to_end(tmp_path: Path) -> None:
    hub = SilentHub()
    sources = ModelSources(registry=tmp_path, hub=HubOptions(enabled=True, timeout_s=60.0), fetch=hub)
    asyncio.run(sources.resolve("Qwen/Qwen3-8B"))
    ended_before_the_hub = not hub.released.is_set()
    errands = [thread for thread in threading.enumerate() if thread.name == "errand"]
    assert errands
    assert all(thread.daemon for thread in errands)
    hub.released.set()
    assert ended_before_the_hub


async def test_offline_the_catalogue_answers_and_nothing_is_fetched(tmp_path: Path) -> None:
    hub = FakeHub({"Qwen/Qwen3-8B": TINY, "org/downloaded": TINY})
    sources = ModelSources(registry=tmp_path, hub=HubOptions(enabled=True, offline=True), fetch=hub)
    assert (await sources.resolve("Qwen/Qwen3-8B")).source.startswith("catalogue")
    assert (await sources.resolve("org/downloaded")).source == "hub"  # what the catalogue lacks may have been downloaded before
    assert hub.asked == ["org/downloaded"]


async def test_an_unknown_model_says_that_the_hub_could_not_be_asked(tmp_path: Path) -> None:
    sources = ModelSources(registry=tmp_path, hub=ON, fetch=FakeHub({}, away=True))
    with pytest.raises(ModelNotFound, match="the hub could not be reached"):
        await sources.resolve("org/new")


async def test_a_disabled_hub_is_never_asked(tmp_path: Path) -> None:
    hub = FakeHub({"org/only-there": TINY})
    with pytest.raises(ModelNotFound):
        await ModelSources(registry=tmp_path, hub=OFF, fetch=hub).resolve("org/only-there")
    assert hub.asked == []


async def test_a_model_is_looked_up_once(tmp_path: Path) -> None:
    hub = FakeHub({"org/tiny": TINY})
    sources = ModelSources(registry=tmp_path, hub=ON, fetch=hub)
    assert await sources.resolve("org/tiny") is await sources.resolve("org/tiny")
    assert hub.asked == ["org/tiny"]


async def test_a_wrong_name_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as raised:
        await ModelSources(registry=tmp_path, hub=OFF).resolve("meta-llama/Llama-3.1-8b-instuct")
    assert "meta-llama/Llama-3.1-8B-Instruct" in raised.value.remedy


@pytest.mark.parametrize("uri", ["../secret", "org/../../secret", "/etc", "a\0b", "", " ", "x" * 256])
async def test_what_is_no_name_under_the_registry_is_refused(tmp_path: Path, uri: str) -> None:
    registry = tmp_path / "models"
    registry.mkdir()
    _folder(tmp_path, "secret", json.dumps(TINY))
    with pytest.raises(InvalidInput) as raised:
        await ModelSources(registry=registry, hub=OFF).resolve(uri)
    assert raised.value.param == "pretrained_model_uri"


async def test_a_link_out_of_the_registry_is_not_followed(tmp_path: Path) -> None:
    registry = tmp_path / "models"
    registry.mkdir()
    _folder(tmp_path, "secret", json.dumps(TINY))
    (registry / "linked").symlink_to(tmp_path / "secret")
    (registry / "half").mkdir()
    (registry / "half" / "config.json").symlink_to(tmp_path / "secret" / "config.json")
    sources = ModelSources(registry=registry, hub=OFF)
    with pytest.raises(InvalidInput):
        await sources.resolve("linked")
    with pytest.raises(ModelNotFound):
        await sources.resolve("half")


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"model_type": "llama"}', "[" * 100_000])
async def test_a_config_that_cannot_be_read_is_unsupported_not_a_crash(tmp_path: Path, text: str) -> None:
    _folder(tmp_path, "broken", text)
    with pytest.raises(UnsupportedModel):
        await ModelSources(registry=tmp_path, hub=OFF).resolve("broken")


def test_auto_config_and_the_fields_alone_give_the_same_shape(tmp_path: Path) -> None:
    # gemma3 states no heads here: AutoConfig and our table must fill in the same ones, and the same five in six sliding layers
    sparse = {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 12, "num_attention_heads": 8, "vocab_size": 262208}
    for name, config in {"llama": TINY, "gemma": sparse}.items():
        _folder(tmp_path, name, json.dumps(config))
        completed = model_from_config(read_folder(tmp_path / name, name), model_id=name)
        assert completed == model_from_config(config, model_id=name)
    assert [(block.count, block.attention.window) for block in completed.blocks] == [(10, 4096), (2, None)]
    assert completed.blocks[0].attention.kv_heads == 4


def test_a_type_the_library_does_not_know_is_read_by_its_fields(tmp_path: Path) -> None:
    config = {**TINY, "model_type": "brand_new", "auto_map": {"AutoConfig": "evil.py--Config"}}
    _folder(tmp_path, "new", json.dumps(config))
    (tmp_path / "new" / "evil.py").write_text("raise SystemExit('ran code of a model')")
    assert model_from_config(read_folder(tmp_path / "new", "new"), model_id="new").hidden_size == 64
