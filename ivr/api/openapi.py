"""Parameters, bodies, responses and examples of each route for the OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from ivr.api import docs_page
from ivr.api.schemas import BYTES, FOLDER, IDS, OBJECT, SCHEMAS, TEXT, Schema, array, object_schema, ref
from ivr.mailbox.box_settings import BoxSettings
from ivr.storage.records import MAX_SEARCH_LENGTH

JSON = "application/json"
AUDIO_TYPES = ("audio/x-wav", "audio/mpeg", "audio/mp4", "audio/ogg")

ERROR_DESCRIPTIONS = {
    400: "The request is invalid; `data` names the field and the rule",
    401: "The token or the credentials are missing, invalid or expired",
    403: "The token does not permit the request",
    404: "Unknown path, box or message, or an invalid page",
    405: "The path does not support the method",
    406: "No available format matches the Accept header",
    408: "The request body stopped arriving",
    409: "Another client changed the document first, or the box is full",
    412: "The document has another revision than If-Match requires",
    413: "The request body is too large",
    415: "The request body is neither JSON, form nor audio",
    416: "The byte range is outside of the audio, or the list is too long without pages",
    429: "Too many wrong tokens or credentials from this address",
    500: "Internal error; the log has the request_id",
    503: "The database or disk is unavailable, or too many uploads of the account wait",
}


def _envelope(data: Schema) -> Schema:
    return object_schema(
        ["data", "auth_token", "revision", "request_id", "status"],
        data=data,
        auth_token=TEXT,
        revision=TEXT,
        request_id=TEXT,
        status={"const": "success"},
        page_size={"type": "integer"},
        start_key=TEXT,
        next_start_key=TEXT,
    )


def operation(
    responses: dict[int, dict[str, Any]],
    request_body: dict[str, Any] | None = None,
    parameters: list[Schema] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments of a route."""
    error_content = {JSON: {"schema": ref("Error")}}
    extra: dict[str, Any] = {}
    if request_body:
        extra["requestBody"] = request_body
    if parameters:
        extra["parameters"] = parameters
    errors = {
        status: {"description": description, "content": error_content}
        for status, description in ERROR_DESCRIPTIONS.items()
    }
    return {"responses": {**errors, **responses}, "openapi_extra": extra, "response_model": None}


def _responses(data: Schema, example: Any = None, status: int = 200) -> dict[int, dict[str, Any]]:
    content: dict[str, Any] = {"schema": _envelope(data)}
    if example is not None:
        content["example"] = example
    not_modified = {304: {"description": "The revision of If-None-Match is still current"}}
    return {status: {"description": "Success", "content": {JSON: content}}, **not_modified}


def _request_body(data: Schema, example: Any = None, *, required: bool = True) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": object_schema(["data"], data=data)}
    if example is not None:
        content["example"] = example
    return {"required": required, "content": {JSON: content}}


def _query_parameter(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _path_parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _header_parameter(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": TEXT, "description": description}


def _filter_parameters(key: str) -> list[Schema]:
    """Return the filters, with `key` as the example of a key."""
    return [
        _query_parameter(f"filter_{key}", TEXT, "filter_KEY=VALUE for any KEY; a JSON array: one of its values"),
        _query_parameter(f"filter_not_{key}", TEXT, "filter_not_KEY=VALUE for any KEY"),
        _query_parameter(f"filter_any_{key}", JSON_ARRAY, "filter_any_KEY=[…]: KEY is one of these values"),
        _query_parameter(f"filter_none_{key}", JSON_ARRAY, "filter_none_KEY=[…]: KEY is none of these values"),
    ]


JSON_ARRAY: Schema = {"type": "string", "pattern": r'^\["[a-z0-9]{1,9}"\]$', "example": '["new","saved"]'}
GREGORIAN_SECONDS: Schema = {"type": "integer", "minimum": 0, "maximum": 10**12 - 1}
BOOLEAN: Schema = {"type": "boolean"}
SEARCH_TEXT: Schema = {"type": "string", "maxLength": MAX_SEARCH_LENGTH}
LIST_PARAMETERS = [
    _query_parameter("paginate", BOOLEAN, "false: all rows at once, at most 10,000"),
    _query_parameter("page_size", {"type": "integer", "minimum": 1}, "rows per page; default 50, at most 1000"),
    _query_parameter("start_key", TEXT, "next_start_key of the previous page"),
    _query_parameter("ascending", BOOLEAN, "true: oldest first; boxes are listed by number"),
    _query_parameter(
        "created_from", GREGORIAN_SECONDS, "Gregorian seconds; with created_to at most 31 days and one hour apart"
    ),
    _query_parameter("created_to", GREGORIAN_SECONDS, "Gregorian seconds"),
    _query_parameter("modified_from", GREGORIAN_SECONDS, "Gregorian seconds"),
    _query_parameter("modified_to", GREGORIAN_SECONDS, "Gregorian seconds"),
    _query_parameter("has_key", TEXT, "only documents that have this key"),
    _query_parameter("key_missing", TEXT, "only documents without this key"),
    _query_parameter("has_value", TEXT, "only documents in which this key is not empty"),
    _query_parameter("value_missing", TEXT, "only documents in which this key is empty or missing"),
]
LINKS_PARAMETER = _query_parameter(
    "links", BOOLEAN, "true: each message has `links.raw`, a link to its audio that needs no token and expires"
)
MESSAGE_LIST_PARAMETERS = [
    *LIST_PARAMETERS,
    _query_parameter("folder", FOLDER, "only messages of this folder"),
    _query_parameter("search", SEARCH_TEXT, "only messages with these words in name, number or transcript"),
    LINKS_PARAMETER,
    *_filter_parameters("caller_id_number"),
]
BOX_LIST_PARAMETERS = [*LIST_PARAMETERS, *_filter_parameters("name")]
IF_MATCH = [_header_parameter("If-Match", "change only this revision")]
IF_MATCH_EACH = [
    _header_parameter("If-Match", "change only messages with one of these revisions; the others fail with `conflict`")
]
IF_MATCH_GREETING = [
    _header_parameter("If-Match", "change only this recording: its `media_id`, or the ETag of its audio")
]
FOLDER_PARAMETERS = [_query_parameter("folder", FOLDER, "same as `folder` in the data")]

_box_schema: Schema = {**ref("Box")}
_message_schema = ref("Message")
_change_schema = object_schema(
    [],
    folder=FOLDER,
    source_id={"oneOf": [TEXT, IDS], "description": "id of a box to move to, or list of boxes to copy to"},
)
_message_ids_schema = object_schema(["messages"], messages=IDS)
_audio_content = {media_type: {"schema": BYTES} for media_type in AUDIO_TYPES}
_multipart_content = {
    "multipart/mixed": {
        "schema": {
            "type": "object",
            "properties": {"content": {"type": "array", "items": BYTES, "description": "JSON and audio, in any order"}},
        }
    }
}

LIST_BOXES = operation(_responses(array(ref("BoxSummary")), docs_page.BOXES), parameters=BOX_LIST_PARAMETERS)
LIST_BOX_USERS = operation(_responses(array(ref("BoxUser")), docs_page.BOX_USERS), parameters=BOX_LIST_PARAMETERS)
CREATE_BOX = operation(
    _responses(ref("BoxDocument"), docs_page.BOX, 201), _request_body(_box_schema, docs_page.NEW_BOX)
)
GET_BOX = operation(_responses(ref("BoxDocument"), docs_page.BOX))
REPLACE_BOX = operation(
    _responses(ref("BoxDocument"), docs_page.BOX), _request_body(_box_schema, docs_page.NEW_BOX), IF_MATCH
)
PATCH_BOX = operation(
    _responses(ref("BoxDocument"), docs_page.PATCHED_BOX), _request_body(OBJECT, docs_page.PATCH), IF_MATCH
)
DELETE_BOX = operation(_responses(ref("BoxDocument"), docs_page.BOX), parameters=IF_MATCH)

LIST_ALL_MESSAGES = operation(
    _responses(array({"type": "object", "additionalProperties": _message_schema}), docs_page.ALL_MESSAGES),
    parameters=MESSAGE_LIST_PARAMETERS,
)
LIST_MESSAGES = operation(_responses(array(_message_schema), docs_page.MESSAGES), parameters=MESSAGE_LIST_PARAMETERS)
CHANGE_MESSAGES = operation(
    _responses(ref("Outcome"), docs_page.OUTCOME),
    _request_body({"allOf": [_message_ids_schema, _change_schema]}, docs_page.CHANGE_MESSAGES),
    [*FOLDER_PARAMETERS, *IF_MATCH_EACH],
)
DELETE_MESSAGES = operation(
    _responses(ref("Outcome"), docs_page.OUTCOME),
    _request_body(object_schema([], messages=IDS, folder=FOLDER), required=False),
    [*FOLDER_PARAMETERS, *IF_MATCH_EACH],
)
GET_MESSAGE = operation(_responses(_message_schema, docs_page.MESSAGE), parameters=[LINKS_PARAMETER])
CHANGE_MESSAGE = operation(
    _responses({"anyOf": [_message_schema, ref("Outcome")]}, docs_page.SAVED_MESSAGE),
    _request_body(_change_schema, docs_page.CHANGE_MESSAGE),
    [*FOLDER_PARAMETERS, *IF_MATCH],
)
DELETE_MESSAGE = operation(_responses(_message_schema, docs_page.MESSAGE), parameters=IF_MATCH)

CREATE_MESSAGE = operation(
    _responses(_message_schema, docs_page.CREATED_MESSAGE, 201),
    {
        "required": True,
        "content": {
            **_request_body(ref("MessageDetails"), docs_page.NEW_MESSAGE)["content"],
            **_multipart_content,
            **_audio_content,
        },
    },
)
ZIP_MESSAGES = operation(
    {200: {"description": "ZIP archive", "content": {"application/zip": {"schema": BYTES}}}},
    _request_body(_message_ids_schema, docs_page.ZIP_REQUEST),
)
GET_AUDIO = operation(
    {
        200: {"description": "The audio", "content": _audio_content},
        206: {"description": "The requested byte range", "content": _audio_content},
        304: {"description": "The ETag of If-None-Match is still current"},
    },
    parameters=[
        _header_parameter("Range", "one byte range"),
        _query_parameter("until", TEXT, "Unix second at which a link expires; part of `links.raw` of a message"),
        _query_parameter("sig", TEXT, "signature of a link, instead of a token"),
    ],
)
PUT_AUDIO = operation(
    _responses(_message_schema, docs_page.CREATED_MESSAGE, 201),
    {"required": True, "content": {**_audio_content, **_multipart_content}},
    [_header_parameter("If-Match", "change only this revision, or only audio with this ETag")],
)

_recording_schema = object_schema(["media_id", "call_id"], media_id=TEXT, call_id=TEXT)
_media_parameters = [
    _query_parameter(name, TEXT, "metadata of the message, as in MessageDetails")
    for name in ("caller_id_number", "caller_id_name", "from", "to", "urgent", "folder", "timestamp")
]
PUT_MEDIA = operation(
    {
        status: {"description": description, "content": {JSON: {"schema": _envelope(_recording_schema)}}}
        for status, description in ((200, "The recording of this call was stored before"), (201, "Success"))
    },
    {"required": True, "content": {**_audio_content, **_multipart_content}},
    [_query_parameter("box", TEXT, "number or id of the mailbox"), *_media_parameters],
)
GET_MEDIA = operation(
    {status: GET_AUDIO["responses"][status] for status in (200, 206, 304)},
    parameters=GET_AUDIO["openapi_extra"]["parameters"],
)

USER_AUTH = operation(
    _responses(ref("Session"), status=201),
    _request_body(
        object_schema(
            ["credentials"],
            credentials=TEXT,
            account_name=TEXT,
            account_realm=TEXT,
            phone_number=TEXT,
            method={"enum": ["md5", "sha"]},
        ),
        docs_page.USER_AUTH,
    ),
)
API_AUTH = operation(
    _responses(ref("Session"), status=201),
    _request_body(object_schema(["api_key"], api_key=TEXT), docs_page.API_AUTH),
)

GET_SESSION = operation(_responses(ref("Session")))
GET_GREETING = operation(
    {
        200: {"description": "The audio", "content": _audio_content},
        206: GET_AUDIO["responses"][206],
        304: GET_AUDIO["responses"][304],
    }
)
PUT_GREETING = operation(
    _responses(ref("Greeting"), status=201),
    {"required": True, "content": {**_audio_content, **_multipart_content}},
    IF_MATCH_GREETING,
)
DELETE_GREETING = operation(_responses(ref("Greeting")), parameters=IF_MATCH_GREETING)


def patch_document(document: dict[str, Any]) -> dict[str, Any]:
    """Complete the document of FastAPI with schemas, security schemes and what it cannot derive."""
    from ivr.api.audio import MessageDetails

    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(SCHEMAS)
    models: dict[str, type[BaseModel]] = {"Box": BoxSettings, "MessageDetails": MessageDetails}
    for name, model in models.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}", by_alias=True)
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    schemas["Box"]["properties"]["pin"] = {
        "anyOf": [{"type": "string", "pattern": "^[0-9]{4,6}$"}, {"type": "null"}],
        "description": "write-only; null removes it",
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    for path, operations in document["paths"].items():
        for route in operations.values():
            route["responses"].pop("422", None)
            in_path = [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
            route["parameters"] = [*in_path, *route.get("parameters", [])]
            route["security"] = (
                [] if route is operations.get("put") and path.endswith("_auth") else [{"token": []}, {"bearer": []}]
            )
    return document
