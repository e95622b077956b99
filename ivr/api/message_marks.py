"""What a request says to change of a message: urgency and labels as it sets them, and changes that would be ignored."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from ivr.api.misspelling import reject_misspelt_members
from ivr.api.query import reject_misspelt_parameters
from ivr.api.request_body import Body
from ivr.errors import InvalidFields
from ivr.mailbox.box_settings import report_violations
from ivr.storage.records import Message
from ivr.validation.fields import Label

MAX_LABELS = 20
CHANGE_MEMBERS = ("folder", "messages", "source_id", "urgent", "labels")
"""Members of a body that say what to change."""
CHANGE_PARAMETERS = ("folder", "pretty_print")
IGNORED_MEMBERS = ("ui_metadata", "verb", "_method")
"""Members that clients add to every body."""
ENVELOPE_MEMBERS = (
    *("data", "auth_token", "accept_charset", "ui_metadata", "verb", "_method", "method", "folder", "messages"),
    *("node", "page_size", "request_id", "revision", "start_key", "status", "timestamp", "tokens", "version"),
)
"""Members beside `data`: those that Kazoo documents, and those of a response that is sent back."""


class MessageMarks(BaseModel):
    """What a request sets of a message beside its folder; None: unchanged."""

    model_config = ConfigDict(extra="ignore")

    urgent: Annotated[bool, Field(strict=True)] | None = None
    labels: Annotated[list[Label], Field(max_length=MAX_LABELS)] | None = None

    @property
    def is_set(self) -> bool:
        return self.urgent is not None or self.labels is not None

    def reject(self, member: str) -> None:
        """Raise `InvalidFields` about a member of the body beside which marks cannot be set."""
        if self.is_set:
            message = "Set urgent and labels of one message at a time: POST them to …/messages/ID"
            raise InvalidFields({member: {"maxItems": {"message": message}}})

    def change(self, message: Message) -> bool:
        """Return whether the message has other marks. Clients send back what they have read."""
        urgent, labels = (self.urgent, message.urgent), (self.labels, [*message.labels])
        return any(wanted not in (None, current) for wanted, current in (urgent, labels))


_CHANGES = {*CHANGE_MEMBERS}
MARKS = MessageMarks.model_fields.keys()
NO_MARKS = MessageMarks()


def parse_marks(body: Body) -> MessageMarks:
    """Return the marks of a request. Raises `InvalidFields`."""
    if not MARKS & body.data_or_empty.keys():
        return NO_MARKS
    with report_violations():
        return MessageMarks.model_validate(body.data_or_empty)


def check_change(request: Request, body: Body) -> None:
    """Raise `InvalidFields` for a body or query that names a change in a way that would be ignored.

    As in Kazoo, a body that names nothing moves messages to `saved`, so a misspelt name would do that too.
    """
    data = body.data_or_empty
    names_changes_alone = body.envelope.keys() == {"data"} and data.keys() <= _CHANGES and None not in data.values()
    if names_changes_alone and not request.scope["query_string"]:
        return  # Nearly every request.
    reject_misspelt_parameters(request.query_params, CHANGE_PARAMETERS)
    reject_misspelt_members([*body.envelope], (*CHANGE_MEMBERS, "data"))
    reject_misspelt_members(body.data_or_empty, CHANGE_MEMBERS)
    members = {**body.envelope, **body.data_or_empty}
    wrong = [name for name in CHANGE_MEMBERS if members.get(name, "") is None]
    wrong += [name for name in body.envelope if name in CHANGE_MEMBERS and name not in ENVELOPE_MEMBERS]
    named = {*body.data_or_empty} - {*IGNORED_MEMBERS} | {*body.envelope} - {*ENVELOPE_MEMBERS}
    known = {*CHANGE_MEMBERS} & {*body.data_or_empty} | {"folder", "messages"} & {*body.envelope}
    if wrong or (named and not known and "folder" not in request.query_params):
        member = wrong[0] if wrong else "folder"
        message = "Field is required but missing: only the folder of a message, or its box, can be changed"
        raise InvalidFields({member: {"required": {"message": message}}})
