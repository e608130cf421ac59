"""Prices of a device-hour in their order, and what a million tokens cost."""

import numpy as np
import pytest

from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.pricing import PriceBook, cost_per_million_tokens, kwh_per_million_tokens, price_per_device_hour

H100 = "H100-SXM-80GB"


def price(book: PriceBook, device: str = H100) -> tuple[float, str]:
    found = price_per_device_hour(catalogue()[device], book, cluster_id="c1")
    return found.usd_per_hour, found.source


def test_the_first_known_source_wins() -> None:
    one, two, three = {H100: 1.0}, {H100: 2.0}, {H100: 3.0}

    assert price(PriceBook(request=one, streamed=two, settings=three)) == (1.0, "request")
    assert price(PriceBook(streamed=two, settings=three)) == (2.0, "streamed")
    assert price(PriceBook(settings=three)) == (3.0, "settings")
    assert price(PriceBook()) == (4.5, "catalogue")


@pytest.mark.parametrize(
    ("device", "usd"),
    [("RTX4090-24GB", 27_164 / 43_800), ("MI210-64GB", 27_164 / 43_800), ("XEON-8480+", 5_200 / 43_800), ("GAUDI2-96GB", 12_500 / 43_800)],
)
def test_without_any_price_the_purchase_is_written_off_over_five_years(device: str, usd: float) -> None:
    # 5 years × 8760 h = 43,800 h
    assert price(PriceBook(), device) == (pytest.approx(usd), "purchase")


def test_the_price_of_the_cluster_and_of_the_device_go_before_the_general_ones() -> None:
    listed = {"cuda": 1.0, H100: 2.0, "c1|cuda": 3.0, "c2|cuda": 9.0, f"c1|{H100}": 4.0}

    assert price(PriceBook(streamed=listed)) == (4.0, "streamed")
    assert price(PriceBook(streamed={key: listed[key] for key in ("cuda", H100, "c1|cuda", "c2|cuda")})) == (3.0, "streamed")
    assert price(PriceBook(streamed={key: listed[key] for key in ("cuda", H100, "c2|cuda")})) == (2.0, "streamed")
    assert price(PriceBook(streamed={key: listed[key] for key in ("cuda", "c2|cuda")})) == (1.0, "streamed")
    assert price(PriceBook(streamed={"c2|cuda": 9.0})) == (4.5, "catalogue")


def test_a_device_may_be_named_as_its_driver_does() -> None:
    assert price(PriceBook(settings={"nvidia-h100-80gb-hbm3": 2.5})) == (2.5, "settings")


def test_a_price_of_nothing_is_a_price() -> None:
    assert price(PriceBook(request={H100: 0.0})) == (0.0, "request")


def test_cost_is_per_token_of_one_replica() -> None:
    # 4 devices × 4.5 $/h = 18 $/h; 50 tokens/s × 20 users × 3600 s = 3.6·10⁶ tokens/h: 18 / 3.6 = 5 $
    cost = cost_per_million_tokens(4.5, 4, np.array([50.0, 0.0]), np.array([20, 20]))

    assert cost.tolist() == [pytest.approx(5.0), np.inf]


def test_energy_is_that_of_the_rated_power() -> None:
    # 4 × 700 W = 2.8 kW over 10⁶ / (50 · 20) s = 1000 s: 2.8 · 1000 / 3600 = 0.778 kWh
    energy = kwh_per_million_tokens(700.0, 4, np.array([50.0, 0.0]), np.array([20, 20]))

    assert energy.tolist() == [pytest.approx(0.7778, rel=1e-3), np.inf]
