"""How calls come over ARI."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class AriSettings(BaseModel):
    """As in Asterisk's ari.conf and http.conf (`asterisk-conf/ari.conf`, `asterisk-conf/http.conf`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Where Asterisk's HTTP server listens.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(8088, description="And on which port.")
    user: str = Field("ivr", description="The section of ari.conf.")
    password: str = Field("", description="Its password; empty: no calls over ARI.")
    application: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = Field(
        "ivr",
        description="The name that Stasis() calls this service by, at most 64 letters, digits and `. _ -`; "
        "each instance has its own.",
    )
    listen_host: str = Field(
        "127.0.0.1", description="Address to listen on where Asterisk dials us (outbound WebSocket)."
    )
    listen_port: Annotated[int, Field(ge=0, le=65_535)] = Field(0, description="0: we dial Asterisk.")
    listen_per_call: bool = Field(
        False, description="It dials us for each call (`per_call_config`), and we dial it once, too."
    )
    calls: Annotated[int, Field(ge=1, le=100_000)] = Field(500, description="Calls at a time.")
