"""The AsyncAPI 3 document: channels, operations, messages, their headers and keys, from the catalogue and the contract."""

from collections.abc import Mapping
from typing import Any, Final

from budsim.adapters.wire.schemas import DIALECT, file_name
from topics import catalogue
from topics.catalogue import TopicSpec
from topics.contract import CONVERSATIONS, Conversation, Direction

FILE_NAME: Final = "asyncapi.json"
KAFKA_BINDING: Final = "0.5.0"
_SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"
_DEAD_LETTER: Final = "deadLetter"
_DEAD_LETTER_HEADERS: Final = {
    "dlq_topic": "Topic the message was read from",
    "dlq_partition": "Its partition there",
    "dlq_offset": "Its offset there",
    "dlq_agent": "Agent that could not answer it",
    "dlq_error": "Name of the error",
    "dlq_reason": "Field, value and remedy",
    "dlq_attempts": "Attempts that were made",
    "dlq_at": "Unix time [s]",
}


def asyncapi_document(specs: Mapping[str, TopicSpec], *, version: str) -> dict[str, Any]:
    """Return the document for topics by their name without prefix.

    Args:
        specs: Every topic as `budsim topics apply` creates it with default settings.
        version: Version of BudSim.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "BudSim", "version": version, "description": _DESCRIPTION, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": {
            **{_camel(item.topic): _channel(item, specs[item.topic]) for item in CONVERSATIONS},
            _camel(catalogue.DEAD_LETTERS): _dead_letter_channel(specs[catalogue.DEAD_LETTERS]),
        },
        "operations": _operations(),
        "components": {
            "messages": {**{item.event.__name__: _message(item) for item in CONVERSATIONS}, _DEAD_LETTER: _dead_letter()},
            "schemas": {item.event.__name__: {"$ref": f"./{file_name(item)}"} for item in CONVERSATIONS},
            "correlationIds": {"workflow": {"description": "The workflow", "location": "$message.header#/correlationid"}},
        },
    }


_DESCRIPTION: Final = (
    "How should this model be deployed on these clusters, for this load and these SLOs? Values are JSON; CloudEvents 1.0 in binary mode. "
    "On input topics the CloudEvents headers may be left out, and structured mode is understood. A value over 524,288 bytes is refused. "
    "Readers ignore unknown fields. Partitions and addresses are those of the default settings."
)


def _channel(item: Conversation, spec: TopicSpec) -> dict[str, Any]:
    name = item.event.__name__
    return {
        "address": spec.name,
        "description": f"Key: {item.key}." + (" A null value removes the key." if item.removable else ""),
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"kafka": _topic(spec)},
    }


def _dead_letter_channel(spec: TopicSpec) -> dict[str, Any]:
    return {
        "address": spec.name,
        "description": "Messages that could not be answered: key, value and headers untouched, with headers that say where from and why.",
        "messages": {_DEAD_LETTER: {"$ref": f"#/components/messages/{_DEAD_LETTER}"}},
        "bindings": {"kafka": _topic(spec)},
    }


def _topic(spec: TopicSpec) -> dict[str, Any]:
    kept = {} if spec.retention_ms is None else {"retention.ms": spec.retention_ms}
    configuration = {"cleanup.policy": [spec.cleanup.value], **kept, "max.message.bytes": spec.max_message_bytes}
    return {"topic": spec.name, "partitions": spec.partitions, "topicConfiguration": configuration, "bindingVersion": KAFKA_BINDING}


def _operations() -> dict[str, Any]:
    found = {}
    for item in CONVERSATIONS:
        for action in (("receive",) if item.direction.is_read else ()) + (("send",) if item.direction.is_written else ()):
            found[action + item.event.__name__] = _operation(action, _camel(item.topic), item.event.__name__)
    found["sendDeadLetter"] = _operation("send", _camel(catalogue.DEAD_LETTERS), _DEAD_LETTER)
    return found


def _operation(action: str, channel: str, message: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def _message(item: Conversation) -> dict[str, Any]:
    summary = (item.event.__doc__ or "").strip().splitlines()[0]
    return {
        "name": item.event.ce_type,
        "title": item.event.__name__,
        "summary": summary,
        "contentType": "application/json",
        "correlationId": {"$ref": "#/components/correlationIds/workflow"},
        "headers": _headers(item),
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": {"$ref": f"./{file_name(item)}"}},
        "bindings": {"kafka": {"key": {"type": "string", "description": item.key}, "bindingVersion": KAFKA_BINDING}},
    }


def _headers(item: Conversation) -> dict[str, Any]:
    named = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "description": "Deterministic: the same event sent again has the same id"},
        "ce_type": {"type": "string", "const": item.event.ce_type},
        "ce_source": {"type": "string"},
        "ce_subject": {"type": "string", "description": "The message key"},
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"type": "string"},
        "correlationid": {"type": "string", "description": "The workflow"},
        "causationid": {"type": "string", "description": "ce_id of the event that led to this one"},
        "traceparent": {"type": "string", "description": "W3C trace context, passed on through all stages"},
    }
    sent = [name for name in named if name.startswith("ce_")] + ["content-type"]
    return {"type": "object", "properties": named, **({} if item.direction is Direction.INPUT else {"required": sent})}


def _dead_letter() -> dict[str, Any]:
    headers = {name: {"type": "string", "description": text} for name, text in _DEAD_LETTER_HEADERS.items()}
    return {
        "name": "dead letter",
        "title": "Dead letter",
        "summary": "A message as it came, whatever it was.",
        "headers": {"type": "object", "properties": headers, "required": list(headers)},
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": {"$schema": DIALECT}},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": KAFKA_BINDING}},
    }


def _camel(topic: str) -> str:
    """Return a channel's name: «simulation-requests.v1» is simulationRequestsV1."""
    first, *rest = topic.replace(".", "-").split("-")
    return first + "".join(word.capitalize() for word in rest)
