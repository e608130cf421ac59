"""Models that are only sold as an API: known by name, with a price and its source."""

from pathlib import Path

import pytest

from budsim.adapters.hub_configs import HubOptions
from budsim.adapters.model_sources import ModelSources
from budsim.core.errors import ModelNotFound
from budsim.core.model.proprietary import proprietary_model, proprietary_names
from budsim.core.model.spec import ModelKind, TokenPrice


def test_a_name_of_a_provider_gives_a_price_with_its_source() -> None:
    model = proprietary_model("gpt-4o")
    assert model is not None
    assert model.price is not None
    assert model.kind is ModelKind.PROPRIETARY
    assert (model.price.usd_per_million_input, model.price.usd_per_million_output) == (2.5, 10.0)
    assert "2026" in model.price.source
    assert proprietary_model("OpenAI/GPT-4o") == model


def test_every_row_of_the_table_can_be_read() -> None:
    assert len(proprietary_names()) >= 300
    for name in proprietary_names():
        model = proprietary_model(name)
        assert model is not None
        assert model.price is not None
        assert model.price.usd_per_million_input >= 0.0


def test_the_cost_of_answers_holds_their_prompts() -> None:
    # 4 input tokens an output token: 10 + 4 · 2.5
    price = TokenPrice(usd_per_million_input=2.5, usd_per_million_output=10.0, source="")
    assert price.usd_per_million_answered(input_tokens=2000, output_tokens=500) == 20.0


async def test_the_sources_find_it_and_no_hub_is_asked(tmp_path: Path) -> None:
    sources = ModelSources(registry=tmp_path, hub=HubOptions(enabled=True), fetch=lambda *_: pytest.fail("asked the hub"))
    assert (await sources.resolve("claude-sonnet-4-5")).kind is ModelKind.PROPRIETARY


async def test_a_name_nobody_sells_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        await ModelSources(registry=tmp_path, hub=HubOptions(enabled=False)).resolve("gpt-nobody-sells")
