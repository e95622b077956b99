"""The system's mailbox settings, which an account may change for itself (kazoo-behaviour §1.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DAY_S = 86_400
RETENTION_SLACK_S = 3600
"""A message is kept this much longer than its days (kazoo-behaviour §3.4)."""


Context = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,79}$")]
"""A dialplan context. It goes into a dialplan expression, so it is a plain name."""
Extension = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*#+]{1,36}$")]


class VoicemailSettings(BaseModel):
    """Kazoo's names where Kazoo has the setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_message_count: Annotated[int, Field(ge=0)] = Field(
        100, description="New and saved messages a box takes from callers; 0: any number."
    )
    max_message_length: Annotated[int, Field(ge=1, le=10**6)] = Field(500, description="Seconds a caller may talk.")
    min_message_size: Annotated[int, Field(ge=0, le=60_000)] = Field(
        500, description="Milliseconds; shorter recordings are not kept."
    )
    max_box_number_length: Annotated[int, Field(ge=1, le=30)] = Field(
        15, description="Digits of a box number typed at the phone."
    )
    max_box_bytes: Annotated[int, Field(ge=10_000, le=10**7)] = Field(
        100_000, description="Bytes that all settings of a box may take, as JSON; whatever makes them more is refused."
    )
    max_login_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="Wrong box numbers and PINs of one call, together."
    )
    max_pin_length: Annotated[int, Field(ge=4, le=30)] = Field(6, description="Digits of a PIN.")
    force_require_pin: bool = Field(False, description="Owners are asked for their PIN from their own phones too.")
    message_retention_duration: Annotated[int, Field(ge=1, le=36_500)] = Field(
        93, description="Days after which a message is gone."
    )
    silence_hits: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="Seconds of silence that end a recording; 0: none does."
    )
    key_map: Literal["standard", "classic"] = Field("standard", description="The ready key map.")
    keys: dict[str, str] = Field(default_factory=dict, description="Action = key, over the ready map.")
    should_disable_callback: bool = Field(False, description="Nobody calls back from a message.")
    should_disable_offnet_callback: bool = Field(True, description="Only from a device of ours does one call back.")
    callback_context: Context = Field("", description="Dialplan context that call-backs leave to; empty: no call-back.")
    operator_context: Context = Field("", description="Dialplan context in which operators are; empty: no operator.")
    operator_key: Extension = Field("0", description="The operator of boxes that name none, an extension there.")
    hunt_context: Context = Field("", description="Dialplan context whose extensions callers may dial; empty: none.")

    def changed_by(self, account: Mapping[str, Any]) -> VoicemailSettings:
        """These settings as an account's own settings change them; raises pydantic's ValidationError."""
        known = {name: value for name, value in account.items() if name in VoicemailSettings.model_fields}
        return VoicemailSettings.model_validate({**self.model_dump(), **known}) if known else self

    def not_before(self, now: float) -> int:
        """Unix seconds; messages left earlier have passed retention."""
        return int(now) - self.message_retention_duration * DAY_S - RETENTION_SLACK_S
