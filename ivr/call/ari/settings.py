"""Settings of calls over ARI."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ivr.validation.fields import OptionalPath


class AriSettings(BaseModel):
    """`[ari]`. The other half is in Asterisk's ari.conf and http.conf (samples in `asterisk-conf/`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str = Field("127.0.0.1", description="Host of Asterisk's HTTP server.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(8088, description="TCP port of Asterisk's HTTP server.")
    tls: bool = Field(
        False,
        description="Whether the service connects to Asterisk over TLS; then `port` is that of `tlsbindaddr` in"
        " http.conf.",
    )
    tls_ca: OptionalPath = Field(
        None,
        description="PEM file with the certificate of Asterisk or of its authority. Empty: the authorities of the"
        " system.",
    )
    user: str = Field("ivr", description="User name: the section of ari.conf.")
    password: str = Field("", description="Password of that user. Empty: no calls over ARI.")
    application: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = Field(
        "ivr",
        description="Name of the Stasis application, at most 64 letters, digits and `. _ -`. "
        "Each service needs a name of its own.",
    )
    listen_host: str = Field(
        "127.0.0.1", description="Address to listen on for WebSockets that Asterisk opens (outbound WebSocket)."
    )
    listen_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        0, description="TCP port for WebSockets that Asterisk opens. 0: the service opens the WebSocket to Asterisk."
    )
    listen_tls_certificate: OptionalPath = Field(
        None,
        description="PEM file with the certificate chain for `listen_port`; with `listen_tls_key` it enables TLS.",
    )
    listen_tls_key: OptionalPath = Field(None, description="PEM file with the private key.")
    handshake_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        10.0, description="Seconds in which a connection to `listen_port` must have signed in; then it is closed."
    )
    max_silent: Annotated[int, Field(ge=1, le=10_000)] = Field(
        100,
        description="Connections to `listen_port` without a sign-in that are held; then one of the address that has"
        " most ends.",
    )
    max_silent_per_address: Annotated[int, Field(ge=0, le=10_000)] = Field(
        50, description="The same for one address (IPv6: per /64 network); 0: no limit."
    )
    per_call_connections: bool = Field(
        False,
        description="Asterisk opens a WebSocket for each call (`per_call_config`); "
        "the service opens a persistent one besides.",
    )
    max_calls: Annotated[int, Field(ge=1, le=100_000)] = Field(
        500, description="Maximum number of simultaneous calls over ARI; the dialplan continues with any further call."
    )
