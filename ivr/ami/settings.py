"""Settings of the AMI connection."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class AmiSettings(BaseModel):
    """Section `[ami]`: must match Asterisk's manager.conf (see `asterisk-conf/manager.conf`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str = Field("127.0.0.1", description="Address of Asterisk's manager interface.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(5038, description="Port of Asterisk's manager interface.")
    user: str = Field("ivr", description="User name: the name of the section in manager.conf.")
    secret: str = Field(
        "",
        description="Secret of that section. Empty: read from `state/ami-secret` in the data folder, which"
        " `ivr install` writes if Asterisk's manager.conf includes `ivr/manager.conf`; without it no message lights and"
        " no new-message calls.",
    )
