"""JSON Schemas of every message, generated from the models."""

import json
from typing import Any, Final, Literal

from pydantic.json_schema import GenerateJsonSchema

from topics.contract import CONVERSATIONS, Conversation, Direction

Schema = dict[str, Any]
DIALECT: Final = GenerateJsonSchema.schema_dialect


def file_name(conversation: Conversation) -> str:
    """Return the name of an event's schema file."""
    return f"{conversation.event.ce_type}.schema.json"


def message_schema(conversation: Conversation) -> Schema:
    """Return the JSON Schema of a message: of what is taken where BudSim reads, of what is sent where it only writes."""
    mode: Literal["validation", "serialization"] = "serialization" if conversation.direction is Direction.OUTPUT else "validation"
    schema = conversation.event.model_json_schema(mode=mode)
    return {"$schema": DIALECT, "$id": f"urn:budsim:{conversation.event.ce_type}", **schema}


def message_schemas() -> dict[str, Schema]:
    """Return the schema of every message by file name."""
    return {file_name(conversation): message_schema(conversation) for conversation in CONVERSATIONS}


def as_text(document: Schema) -> str:
    """Return a document as it is committed: in the same order on every machine."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
