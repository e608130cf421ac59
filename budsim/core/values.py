"""Values that are made thousands of times a second."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def light_value(cls: type[T]) -> type[T]:
    """Return the class as a dataclass with slots whose fields the type checker alone keeps from being set.

    A frozen dataclass sets each field through object.__setattr__ when it is made: 0.2 µs a field instead of 0.09. For the values between
    two formulas that was a third of the time of a prediction.
    """
    return dataclass(slots=True, kw_only=True)(cls)
