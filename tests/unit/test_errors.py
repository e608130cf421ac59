"""An error reads as a sentence with its remedy."""

import pytest

from budsim.core.errors import BudSimError


@pytest.mark.parametrize(
    ("message", "remedy", "text"),
    [
        ("quantization_type 'w3' is not known", "use fp8", "quantization_type 'w3' is not known; use fp8"),
        ("The part failed.", "Ask for fewer.", "The part failed. Ask for fewer."),
        ("topic a is away", "", "topic a is away"),
    ],
)
def test_message_and_remedy_are_parted(message: str, remedy: str, text: str) -> None:
    assert str(BudSimError(message, remedy=remedy)) == text
