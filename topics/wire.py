"""What every wire model shares: unknown fields are ignored on reading, no NaN or Infinity is written."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

MAX_TOKENS = 10**7
MAX_CONCURRENCY = 10**5
MAX_ID_LENGTH = 255

Identifier = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Concurrency = Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)]
Target = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Figure = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class WireModel(BaseModel):
    """A value on the wire."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, protected_namespaces=())


class Event(WireModel):
    """A message of one topic; `ce_type` is its CloudEvents type."""

    ce_type: ClassVar[str]
