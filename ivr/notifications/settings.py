"""Settings of what follows a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

RETRY_DELAYS_S = (900, 2700, 7200, 86_400)
"""Seconds from one failed attempt to the next; after the last it is given up (kazoo-behaviour §5.1)."""

Seconds = Annotated[int, Field(ge=1, le=10**7)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MwiSettings(_Section):
    mailbox: str = Field(
        "{number}@ivr",
        description="What an AOR's `mailboxes` says for a box: {number}, {realm} or {account} are put in.",
    )
    device: str = Field(
        "{endpoint}@ivr-phones", description="And for all boxes of the user whose phone {endpoint} is, as one sum."
    )
    prefix: str = Field("", description="The light also shows at this and the number, such as *98: for BLF keys.")


class NotificationSettings(_Section):
    retry_s: list[Seconds] = Field(
        list(RETRY_DELAYS_S), description="Seconds from one failed attempt to the next; then it is given up."
    )
    full_every_s: Annotated[int, Field(ge=0, le=10**7)] = Field(
        3600, description="Seconds in which a box tells only once that it is full, or locked."
    )
    call_context: str = Field("", description="Dialplan context that calls to owners go out by; empty: no calls.")
    call_attempts: Annotated[int, Field(ge=0, le=1000)] = Field(5, description="Calls to an owner at most.")
    call_interval_s: Annotated[int, Field(ge=0, le=10**7)] = Field(300, description="Seconds between them.")
    call_timeout_s: Annotated[int, Field(ge=1, le=600)] = Field(20, description="Seconds that each rings.")


class MailSettings(_Section):
    host: str = Field("", description="The mail server; empty: no mail.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(25, description="Its port.")
    security: Literal["none", "starttls", "tls"] = Field("none", description="none, starttls or tls.")
    ca_file: Path | None = Field(None, description="Who vouches for its certificate; empty: those the system trusts.")
    user: str = Field("", description="To sign in with; empty: without.")
    password: str = Field("", description="To sign in with.")
    sender: str = Field("voicemail@localhost", description="From whom mails are.")
    timeout_s: Annotated[float, Field(gt=0, le=120)] = Field(
        30.0, description="Seconds to wait for the server at each step."
    )
    at_once: Annotated[int, Field(ge=1, le=50)] = Field(4, description="Mails under way.")
    largest_mb: Annotated[int, Field(ge=0, le=1000)] = Field(
        20, description="Megabytes; larger audio is not attached, and the mail says so."
    )
    templates: Path | None = Field(None, description="A site's own templates (docs/notifications.md).")
