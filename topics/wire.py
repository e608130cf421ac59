"""What every wire model shares: unknown fields are ignored on reading, no NaN or Infinity is written."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_TOKENS = 10**7
MAX_CONCURRENCY = 10**5
MAX_ID_LENGTH = 255
MAX_FIGURE = 10**9  # GB, GB/s, TFLOPS, ms, $/h: far beyond any device or target, and finite in SI units

Identifier = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Concurrency = Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)]
Target = Annotated[float, Field(ge=0, le=MAX_FIGURE, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=MAX_FIGURE, allow_inf_nan=False)]


class WireModel(BaseModel):
    """A value on the wire."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, protected_namespaces=(), json_schema_serialization_defaults_required=True
    )


class SentModel(WireModel):
    """A value that others send: null says the same as leaving the field out."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, body: Any) -> Any:
        if not isinstance(body, Mapping):
            return body
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: value for name, value in body.items() if value is not None or name not in optional}


class Event(WireModel):
    """A message of one topic; `ce_type` is its CloudEvents type."""

    ce_type: ClassVar[str]
