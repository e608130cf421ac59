"""What could not be read of a config is said, and nothing is said of what could."""

from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.huggingface_config import model_from_config
from tests.support.plain_config import TINY


def test_a_type_that_is_known_needs_no_note() -> None:
    assert model_from_config({**TINY, "model_type": "llama", "memory_rank": 8}, model_id="m").notes == ()


def test_an_unknown_type_is_named_with_the_sizes_nobody_read() -> None:
    notes = model_from_config(
        {**TINY, "model_type": "brand_new", "memory_rank": 8, "num_oracles": 3, "bos_token_id": 1}, model_id="org/m"
    ).notes
    assert notes == (
        "model_type 'brand_new' of org/m is not known: its shape was read by field names",
        "fields of org/m that were not read: memory_rank, num_oracles",
    )


def test_a_tower_without_sizes_is_named() -> None:
    notes = model_from_config({**TINY, "model_type": "llama", "vision_config": {"model_type": "timm"}}, model_id="org/m").notes
    assert notes == ("vision_config of org/m gives no sizes that can be read: the tower's weights are not counted",)


def test_a_model_with_an_encoder_says_how_its_prompt_is_timed() -> None:
    model = catalogue_model("google-t5/t5-small")
    assert model is not None
    assert "encoder" in model.notes[0]
