"""The rules as types of pydantic fields.

Stored documents are read with `STORED` as the context of the validation: a value that an earlier version accepted must
not keep an owner out, so it is passed on as it is. Its readers skip it, as they do a time zone that no longer exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError, PydanticKnownError

from ivr.errors import BadInput
from ivr.validation import addresses, names, numbers, text, time_zones

STORED = "stored"
"""Context of `model_validate` for documents that come from the database."""
FORMAT_ERROR = "wrong_format"


OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]
"""A path of the settings. Empty: None, and not the current folder."""


def _full_path(path: Path | None) -> Path | None:
    if path and not path.is_absolute():
        raise PydanticCustomError(FORMAT_ERROR, "not a full path: begin it with /")
    return path


ProgramPath = Annotated[OptionalPath, AfterValidator(_full_path)]
"""The full path of a program of the site. Empty: None."""


def is_stored(info: ValidationInfo) -> bool:
    """Return whether the validated document comes from the database."""
    return info.context == STORED


def checked(rule: Callable[[str], str]) -> AfterValidator:
    """Return a validator that applies a rule; its `BadInput` becomes the error of the field."""

    def apply(value: str, info: ValidationInfo) -> str:
        if is_stored(info):
            return value
        try:
            return rule(value)
        except BadInput as error:
            raise format_error(error) from error

    return AfterValidator(apply)


def format_error(error: BadInput) -> PydanticCustomError:
    """Return an error of a field with the message of `error`."""
    return PydanticCustomError(FORMAT_ERROR, "{reason}", {"reason": str(error)})


def at_most(limit: int) -> AfterValidator:
    """Return a validator that refuses a larger number. A stored one counts as the limit, so that it is read."""

    def apply(value: int, info: ValidationInfo) -> int:
        if value > limit and not is_stored(info):
            raise PydanticKnownError("less_than_equal", {"le": limit})
        return min(value, limit)

    return AfterValidator(apply)


END_OF_CALENDAR = 253_370_764_799
"""Unix seconds: the end of the year 9998. A later time has no date in some time zones."""
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*")


def _unix_time(value: Any, info: ValidationInfo) -> Any:
    """Refuse a date as text: its zone would be a guess."""
    if isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value) and not is_stored(info):
        raise format_error(BadInput(f"{value!r} is no number of seconds since 1970 UTC: write it as 1798761600"))
    return value


UnixTime = Annotated[int, Field(ge=0), at_most(END_OF_CALENDAR), BeforeValidator(_unix_time)]
NO_NUMBER = "true and false are no numbers: write digits, as in 10"


def is_switch_for_number(model: type[BaseModel], name: str, value: object) -> bool:
    """Return whether a value is true or false, or a list with one, where a field holds numbers.

    Pydantic would store 1 or 0, as numbers are accepted for switches.
    """
    values = value if isinstance(value, list) else (value,)
    return any(isinstance(one, bool) for one in values) and _holds_numbers(model, name)


@cache
def _holds_numbers(model: type[BaseModel], name: str) -> bool:
    types = _types_in(model.model_fields[name].annotation) if name in model.model_fields else set()
    return int in types and bool not in types


@cache
def holds_text(model: type[BaseModel], name: str) -> bool:
    """Return whether blanks around a text in a field are part of it: not in numbers, switches and words of a list."""
    return name not in model.model_fields or str in _types_in(model.model_fields[name].annotation)


def _types_in(annotation: Any) -> set[Any]:
    return {annotation}.union(*map(_types_in, get_args(annotation))) if isinstance(annotation, Hashable) else set()


LIST_SEPARATORS = re.compile(r"[,;\s]+")
MAX_ITEMS = 250
MAX_CHARACTERS = 20_000


def bounded(value: Any, info: ValidationInfo) -> Any:
    """Return a value that takes a short time to check, however its field splits and parses it. Calls wait meanwhile."""
    items = value if isinstance(value, list | dict) else [value]
    if not is_stored(info) and (
        len(items) > MAX_ITEMS or sum(len(item) for item in items if isinstance(item, str)) > MAX_CHARACTERS
    ):
        raise format_error(BadInput(f"too long: at most {MAX_ITEMS} items, and {MAX_CHARACTERS} characters in all"))
    return value


def split_items(value: Any, info: ValidationInfo) -> Any:
    """Return the items of one text, as people write them: separated by commas, semicolons or blanks."""
    bounded(value, info)
    is_one = isinstance(value, (str, int)) and not isinstance(value, bool)
    return bounded([item for item in LIST_SEPARATORS.split(str(value)) if item], info) if is_one else value


def _split_addresses(value: Any, info: ValidationInfo) -> Any:
    """Split texts with several addresses."""
    if bounded(value, info) is None:
        return []
    items = [value] if isinstance(value, str) else value
    if is_stored(info) or not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return items
    return bounded([address for item in items for address in addresses.split_addresses(item)], info)


def _documented(**schema: str) -> Any:
    """Return what a JSON schema says of a type."""
    return Field(json_schema_extra=dict(schema))


MailAddress = Annotated[str, checked(addresses.mail_address), _documented(format="email")]
MailAddressOrNone = Annotated[
    str, checked(lambda text: addresses.mail_address(text) if text else ""), _documented(format="email")
]
"""A mail address of the settings; empty: there is none."""
MailAddresses = Annotated[
    list[MailAddress], BeforeValidator(_split_addresses), AfterValidator(addresses.unique_addresses)
]
MailDomains = Annotated[list[Annotated[str, checked(addresses.mail_domain)]], BeforeValidator(split_items)]
SenderAddress = Annotated[str, checked(addresses.sender_address)]
WebOrigin = Annotated[str, checked(addresses.web_origin)]
BaseUrl = Annotated[str, checked(addresses.base_url)]
ServiceAddress = Annotated[str, checked(addresses.service_address)]
WebUrl = Annotated[str, checked(addresses.web_url), _documented(format="uri")]
BoxNumber = Annotated[
    str,
    StringConstraints(min_length=1, max_length=numbers.MAX_BOX_NUMBER_LENGTH),
    checked(numbers.box_number),
    _documented(pattern="^[0-9]+$"),
]
MAX_RECIPIENTS = 200
"""Mailboxes that one message of an owner goes to, and members of a list."""
ListMembers = Annotated[
    list[BoxNumber],
    BeforeValidator(split_items),
    Field(min_length=1, max_length=MAX_RECIPIENTS),
    AfterValidator(lambda items: [*dict.fromkeys(items)]),
]
DistributionLists = Annotated[dict[BoxNumber, ListMembers], Field(max_length=100)]
"""Numbers that stand for several mailboxes, each with the numbers of these."""
BoxAlias = Annotated[str, checked(numbers.box_alias), _documented(pattern=numbers.EXTENSION_PATTERN)]
Extension = Annotated[str, checked(numbers.extension), _documented(pattern=numbers.EXTENSION_PATTERN)]
TelephoneNumber = Annotated[str, checked(numbers.telephone_number), _documented(pattern=numbers.TELEPHONE_PATTERN)]
CountryCode = Annotated[str, checked(numbers.country_code)]
DialPrefix = Annotated[str, checked(numbers.dial_prefix)]
DialplanContext = Annotated[str, checked(numbers.dialplan_context)]
MwiTarget = Annotated[str, checked(numbers.mwi_target)]
TimeZone = Annotated[str, checked(time_zones.time_zone), _documented(example="Europe/Berlin")]
BoxTimeZone = Annotated[
    str,
    checked(lambda text: text if text == time_zones.INHERIT else time_zones.time_zone(text)),
    _documented(example="Europe/Berlin"),
]
LanguageCode = Annotated[str, checked(names.language_code), _documented(example="en")]
Realm = Annotated[str, checked(names.realm)]
UserName = Annotated[str, checked(names.user_name)]
PersonName = Annotated[str, checked(names.person_name), _documented(pattern=text.CALLER_PATTERN)]
EndpointName = Annotated[str, checked(names.endpoint_name)]
ApiUsername = Annotated[str, checked(names.api_username)]
CallerText = Annotated[
    str,
    StringConstraints(max_length=text.MAX_CALLER_LENGTH),
    checked(text.caller_text),
    _documented(pattern=text.CALLER_PATTERN),
]
Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=text.MAX_LABEL_LENGTH),
    checked(text.label),
    _documented(pattern=text.CALLER_PATTERN),
]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=256), checked(names.pattern)]
