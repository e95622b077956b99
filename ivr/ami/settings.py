"""How Asterisk's manager is reached."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class AmiSettings(BaseModel):
    """As in Asterisk's manager.conf (`asterisk-conf/manager.conf`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Where Asterisk's manager listens.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(5038, description="And on which port.")
    user: str = Field("ivr", description="The section of manager.conf.")
    secret: str = Field("", description="Its secret; empty: no message lights and no calls to owners.")
