"""What /openapi.json says of each verb beside its own words: bodies, parameters, answers, the seed's examples."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ivr.api import examples
from ivr.mailbox.box import Box

Schema = dict[str, Any]

JSON = "application/json"
TEXT: Schema = {"type": "string"}
BYTES: Schema = {"type": "string", "format": "binary"}
OBJECT: Schema = {"type": "object"}
IDS: Schema = {"type": "array", "items": TEXT}
FOLDER: Schema = {"type": "string", "enum": ["new", "saved", "deleted"]}
AUDIO_TYPES = ("audio/x-wav", "audio/mpeg", "audio/mp4", "audio/ogg")


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _listed(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


SCHEMAS: dict[str, Schema] = {
    "Message": _object(
        ["timestamp", "from", "to", "caller_id_number", "caller_id_name", "call_id", "folder", "length", "media_id"],
        **{"from": TEXT}, timestamp={"type": "integer", "description": "Gregorian seconds"}, to=TEXT,
        caller_id_number=TEXT, caller_id_name=TEXT, call_id=TEXT, folder=FOLDER,
        length={"type": "integer", "description": "ms"}, media_id=TEXT, transcription=OBJECT,
        transcribed={"type": "boolean"},
    ),
    "BoxLine": _object(
        ["id", "name", "mailbox", "messages"], id=TEXT, name=TEXT, mailbox=TEXT, owner_id=TEXT, flags=IDS,
        messages={"type": "integer"}, folders=OBJECT,
    ),
    "BoxShown": _object(["id", "name", "mailbox"], id=TEXT, name=TEXT, mailbox=TEXT),
    "Outcome": _object(["succeeded", "failed"], succeeded=IDS, failed=_listed(OBJECT)),
    "Session": _object(["account_id"], account_id=TEXT, owner_id=TEXT, expires_at={"type": "integer"}),
    "Greeting": _object(["media_id", "kind"], media_id=TEXT, kind=TEXT, length={"type": "integer"}),
    "Error": _object(
        ["data", "error", "message", "request_id", "status", "auth_token"], data=OBJECT, error=TEXT, message=TEXT,
        request_id=TEXT, status={"const": "error"}, auth_token=TEXT,
    ),
}  # fmt: skip

ERRORS = {
    400: "The request breaks a rule; `data` says which", 401: "No token, or none that holds",
    403: "Not with this token", 404: "There is no such thing", 405: "Not with this verb",
    406: "It cannot be given like that", 408: "The body stopped coming", 409: "Somebody was first; or the box is full",
    412: "It has another revision", 413: "Too large", 415: "Neither JSON, form nor audio",
    416: "There is no such range", 429: "Too many wrong tokens or credentials", 500: "Something is wrong here",
    503: "The store cannot do it now",
}  # fmt: skip


def _envelope(data: Schema) -> Schema:
    return _object(
        ["data", "auth_token", "revision", "request_id", "status"], data=data, auth_token=TEXT, revision=TEXT,
        request_id=TEXT, status={"const": "success"}, page_size={"type": "integer"}, start_key=TEXT,
        next_start_key=TEXT,
    )  # fmt: skip


def verb(
    answer: dict[int, dict[str, Any]], body: dict[str, Any] | None = None, parameters: list[Schema] | None = None
) -> dict[str, Any]:
    """The arguments of a route."""
    problem = {JSON: {"schema": _ref("Error")}}
    extra: dict[str, Any] = {}
    if body:
        extra["requestBody"] = body
    if parameters:
        extra["parameters"] = parameters
    errors = {status: {"description": said, "content": problem} for status, said in ERRORS.items()}
    return {"responses": {**errors, **answer}, "openapi_extra": extra, "response_model": None}


def _gives(data: Schema, example: Any = None, status: int = 200) -> dict[int, dict[str, Any]]:
    content: dict[str, Any] = {"schema": _envelope(data)}
    if example is not None:
        content["example"] = example
    unchanged = {304: {"description": "It still has the revision of If-None-Match"}}
    return {status: {"description": "Done", "content": {JSON: content}}, **unchanged}


def _takes(data: Schema, example: Any = None, *, required: bool = True) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _object(["data"], data=data)}
    if example is not None:
        content["example"] = example
    return {"required": required, "content": {JSON: content}}


def _query(name: str, schema: Schema, said: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": said}


def _header(name: str, said: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": TEXT, "description": said}


GREGORIAN: Schema = {"type": "integer", "minimum": 0, "maximum": 10**12 - 1}
YES: Schema = {"type": "boolean"}
LISTS = [
    _query("paginate", YES, "false: everything at once, 10,000 rows at most"),
    _query("page_size", {"type": "integer", "minimum": 1}, "50 unless told otherwise, 1000 at most"),
    _query("start_key", TEXT, "next_start_key of the page before"),
    _query("ascending", YES, "oldest first"),
    _query("created_from", GREGORIAN, "Gregorian seconds; with it, 31 days and an hour at most"),
    _query("created_to", GREGORIAN, "Gregorian seconds"),
    _query("modified_from", GREGORIAN, "Gregorian seconds"),
    _query("modified_to", GREGORIAN, "Gregorian seconds"),
    _query("filter_folder", TEXT, "any filter_KEY=VALUE; a JSON list of values means any of them"),
    _query("filter_not_folder", TEXT, "any filter_not_KEY=VALUE"),
    _query("has_key", TEXT, "those that have a key"),
    _query("key_missing", TEXT, "those that have it not"),
    _query("has_value", TEXT, "those whose key is not empty"),
    _query("value_missing", TEXT, "those whose key is empty or missing"),
]
IF_MATCH = [_header("If-Match", "only if it still has this revision")]
IF_MATCH_ONE = [_header("If-Match", "only those messages that have one of these revisions; the others are a conflict")]
IF_GREETING = [_header("If-Match", "only instead of this recording: its `media_id`, or the ETag of its audio")]
IN_FOLDER = [_query("folder", FOLDER, "as `folder` in the data")]

_box: Schema = {**_ref("Box")}
_message = _ref("Message")
_change = _object(
    [], folder=FOLDER, source_id={"oneOf": [TEXT, IDS], "description": "a box to move to, or boxes to copy to"}
)
_ids = _object(["messages"], messages=IDS)
_audio = {kind: {"schema": BYTES} for kind in AUDIO_TYPES}
_multipart = {
    "multipart/mixed": {
        "schema": {
            "type": "object",
            "properties": {"content": {"type": "array", "items": BYTES, "description": "JSON and audio, any order"}},
        }
    }
}

LIST_BOXES = verb(_gives(_listed(_ref("BoxLine")), examples.BOXES), parameters=LISTS)
CREATE_BOX = verb(_gives(_ref("BoxShown"), examples.BOX, 201), _takes(_box, examples.NEW_BOX))
SHOW_BOX = verb(_gives(_ref("BoxShown"), examples.BOX))
REPLACE_BOX = verb(_gives(_ref("BoxShown"), examples.BOX), _takes(_box, examples.NEW_BOX), IF_MATCH)
PATCH_BOX = verb(_gives(_ref("BoxShown"), examples.PATCHED_BOX), _takes(OBJECT, examples.PATCH), IF_MATCH)
DELETE_BOX = verb(_gives(_ref("BoxShown"), examples.BOX), parameters=IF_MATCH)

LIST_ALL_MESSAGES = verb(
    _gives(_listed({"type": "object", "additionalProperties": _message}), examples.ALL_MESSAGES), parameters=LISTS
)
LIST_MESSAGES = verb(_gives(_listed(_message), examples.MESSAGES), parameters=LISTS)
CHANGE_MESSAGES = verb(
    _gives(_ref("Outcome"), examples.OUTCOME),
    _takes({"allOf": [_ids, _change]}, examples.CHANGE_MESSAGES), [*IN_FOLDER, *IF_MATCH_ONE],
)  # fmt: skip
DELETE_MESSAGES = verb(
    _gives(_ref("Outcome"), examples.OUTCOME),
    _takes(_object([], messages=IDS, folder=FOLDER), required=False), [*IN_FOLDER, *IF_MATCH_ONE],
)  # fmt: skip
SHOW_MESSAGE = verb(_gives(_message, examples.MESSAGE))
CHANGE_MESSAGE = verb(
    _gives({"anyOf": [_message, _ref("Outcome")]}, examples.SAVED_MESSAGE),
    _takes(_change, examples.CHANGE_MESSAGE), [*IN_FOLDER, *IF_MATCH],
)  # fmt: skip
DELETE_MESSAGE = verb(_gives(_message, examples.MESSAGE), parameters=IF_MATCH)

CREATE_MESSAGE = verb(
    _gives(_message, examples.CREATED_MESSAGE, 201),
    {
        "required": True,
        "content": {
            **_takes(_ref("MessageDetails"), examples.NEW_MESSAGE)["content"],
            **_multipart,
            **_audio,
        },
    },
)
ZIP_MESSAGES = verb(
    {200: {"description": "A zip", "content": {"application/zip": {"schema": BYTES}}}},
    _takes(_ids, examples.ZIP),
)
RAW = verb(
    {
        200: {"description": "The audio", "content": _audio},
        206: {"description": "A stretch of it", "content": _audio},
        304: {"description": "It is still the same"},
    },
    parameters=[_header("Range", "a stretch of bytes")],
)
PUT_RAW = verb(
    _gives(_message, examples.CREATED_MESSAGE, 201),
    {"required": True, "content": {**_audio, **_multipart}},
    [_header("If-Match", "only if it still has this revision, or its audio this ETag")],
)  # fmt: skip

USER_AUTH = verb(
    _gives(_ref("Session"), status=201),
    _takes(
        _object(["credentials", "account_name"], credentials=TEXT, account_name=TEXT, method={"enum": ["md5"]}),
        examples.USER_AUTH,
    ),
)
API_AUTH = verb(_gives(_ref("Session"), status=201), _takes(_object(["api_key"], api_key=TEXT), examples.API_AUTH))

SHOW_GREETING = verb({200: {"description": "The audio", "content": _audio}, 206: RAW["responses"][206],
                      304: RAW["responses"][304]})  # fmt: skip
PUT_GREETING = verb(
    _gives(_ref("Greeting"), status=201),
    {"required": True, "content": {**_audio, **_multipart}}, IF_GREETING,
)  # fmt: skip
DELETE_GREETING = verb(_gives(_ref("Greeting")), parameters=IF_GREETING)


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document that FastAPI makes, with what it cannot know."""
    from ivr.api.audio import MessageDetails

    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(SCHEMAS)
    models: dict[str, type[BaseModel]] = {"Box": Box, "MessageDetails": MessageDetails}
    for name, model in models.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}", by_alias=True)
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    schemas["Box"]["properties"]["pin"] = {
        "anyOf": [{"type": "string", "pattern": "^[0-9]{4,6}$"}, {"type": "null"}],
        "description": "goes in and never comes out; null takes it away",
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    for path, verbs in document["paths"].items():
        for one in verbs.values():
            one["responses"].pop("422", None)
            one["security"] = [] if path.endswith("_auth") else [{"token": []}, {"bearer": []}]
    return document
