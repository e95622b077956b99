"""Settings of message lights, notifications, mail and transcription."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork

from ivr.validation.fields import DialplanContext, MailAddressOrNone, OptionalPath, ProgramPath, SenderAddress

RETRY_DELAYS_S = (900, 2700, 7200, 86_400)
"""15 minutes, 45 minutes, 2 hours, 1 day: the delays with which Kazoo retries notifications."""

Seconds = Annotated[int, Field(ge=1, le=10**7)]
TranscriptionEngine = Literal["auto", "off", "pocketsphinx", "whisper", "vosk", "command"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class MwiSettings(_Section):
    """Section `[mwi]`."""

    mailbox: str = Field(
        "{number}@ivr",
        description="MWI mailbox of a box, as in `mailboxes` of an AOR. Placeholders: {number}, {realm}, {account}.",
    )
    endpoint_mailbox: str = Field(
        "{endpoint}@ivr-phones",
        description="MWI mailbox of an endpoint: the sum of all boxes of its user. Placeholder: {endpoint}.",
    )
    blf_prefix: str = Field(
        "", description="Prefix of a second MWI mailbox for each box, such as *98, for BLF keys. Empty: none."
    )


class NotificationSettings(_Section):
    """Section `[notifications]`."""

    retry_delays_s: list[Seconds] = Field(
        list(RETRY_DELAYS_S),
        description="Seconds to wait after each failed attempt. After the last one, a task is given up.",
    )
    webhook_networks: list[IPvAnyNetwork] = Field(
        [],
        description=(
            "Networks, as `10.1.0.0/16`, to which webhooks may be sent beside public addresses. Empty: public ones"
            " only."
        ),
    )
    program: ProgramPath = Field(
        None,
        description=(
            "Full path of a program to run when a message of a box arrives, moves or goes (docs/notifications.md). It"
            " must belong to root. Empty: none."
        ),
    )
    throttle_s: Annotated[int, Field(ge=0, le=10**7)] = Field(
        3600, description="Minimum seconds between two mails that a box is full, or locked. 0: mail every time."
    )
    nearly_full_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        90,
        description=(
            "Part of its messages or quota, in percent, at which a box is nearly full and its owner is warned by mail."
            " 0: no warning."
        ),
    )
    call_context: DialplanContext = Field(
        "", description="Dialplan context in which new-message calls are dialled. Empty: no new-message calls."
    )
    max_call_attempts: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="Calls until the owner answers, for a box without a schedule. 0: no calls."
    )
    call_interval_s: Annotated[int, Field(ge=0, le=10**7)] = Field(
        300, description="Seconds between two of these calls. 0: no calls."
    )
    call_ring_timeout_s: Annotated[int, Field(ge=1, le=600)] = Field(20, description="Seconds that each call rings.")


class MailSettings(_Section):
    """Section `[mail]`."""

    host: str = Field("", description="Mail server (SMTP). Empty: no mail is sent.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(25, description="Port of the mail server.")
    security: Literal["none", "starttls", "tls"] = Field(
        "none", description="Encryption of the connection: none, starttls or tls."
    )
    ca_file: OptionalPath = Field(
        None, description="CA bundle (PEM file) to verify the mail server. Empty: system trust store."
    )
    username: str = Field("", description="User name at the mail server. Empty: no authentication.")
    password: str = Field("", description="Password at the mail server.")
    sender: SenderAddress = Field("voicemail@localhost", description="Sender address of all mails.")
    administrator: MailAddressOrNone = Field(
        "", description="Address that gets a mail when PINs are guessed across an account. Empty: no such mail."
    )
    timeout_s: Annotated[float, Field(gt=0, le=120)] = Field(
        30.0, description="Seconds to wait for the mail server at each step."
    )
    max_connections: Annotated[int, Field(ge=1, le=50)] = Field(4, description="Mails sent at the same time.")
    max_attachment_mb: Annotated[int, Field(ge=0, le=1000)] = Field(
        20,
        description=(
            "Largest attachment in megabytes as it is sent, a third larger than the file. Larger audio is left out, and"
            " the mail says so."
        ),
    )
    link_lifetime_days: Annotated[int, Field(ge=1, le=366)] = Field(
        7, description="Days for which a link to a message in a mail is valid."
    )
    template_folder: OptionalPath = Field(
        None, description="Folder with your own mail templates (docs/notifications.md). Empty: the built-in ones."
    )


class TranscriptionSettings(_Section):
    """Section `[transcription]`. A box enables transcription with its setting `transcribe`."""

    engine: TranscriptionEngine = Field(
        "auto",
        description=(
            "Speech recognition: auto (whisper if the extra transcription-whisper is installed, else off), off,"
            " pocketsphinx, whisper, vosk or command."
        ),
    )
    model: OptionalPath = Field(
        None, description="Folder of a model for vosk, or for whisper in place of the one of its extra."
    )
    command: str = Field(
        "", description="Command for the engine `command`. It gets the path of a WAV file and prints the text."
    )
    max_audio_s: Annotated[int, Field(ge=1, le=36_000)] = Field(
        300, description="Seconds of a message that are transcribed; the rest is ignored."
    )
    timeout_s: Annotated[int, Field(ge=1, le=36_000)] = Field(
        600, description="Maximum seconds for one message, of run time and of CPU time."
    )
