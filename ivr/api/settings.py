"""The settings of `[media]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, model_validator

MIN_EDGE_TOKEN_LENGTH = 20


class MediaSettings(BaseModel):
    """Who uploads and fetches recordings by the id of their call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    edges: list[IPvAnyNetwork] = Field(
        [],
        description=(
            "Addresses and networks of media edges, which record calls themselves and upload them to"
            " `/media` (docs/scale.md); empty: none. They need `edge_token`."
        ),
    )
    edge_token: str = Field(
        "", description=f"Token that media edges send; at least {MIN_EDGE_TOKEN_LENGTH} characters. Secret."
    )
    clients: list[IPvAnyNetwork] = Field(
        [], description="Addresses and networks from which recordings are fetched by `/media`; empty: none."
    )
    x_accel_redirect: Annotated[str, Field(pattern=r"^(/_[a-z0-9-]+/)?$")] = Field(
        "",
        description="Internal location of nginx, as `/_audio/`, through which it fetches recordings from the object"
        " store for `GET /media` (`X-Accel-Redirect`, docs/scale.md); empty: the service sends them itself.",
    )

    @model_validator(mode="after")
    def _require_token_with_edges(self) -> MediaSettings:
        if self.edges and len(self.edge_token) < MIN_EDGE_TOKEN_LENGTH:
            raise ValueError(f"edges need an edge_token of at least {MIN_EDGE_TOKEN_LENGTH} characters")
        return self

    def require_redirect_targets(self, *, is_folder: bool, trusted_proxies: str) -> None:
        """Raise ValueError if nginx is to fetch recordings where it cannot, or clients could learn the URL."""
        if self.x_accel_redirect and is_folder:
            raise ValueError('x_accel_redirect needs recordings in an object store: set audio.store = "s3://..."')
        if self.x_accel_redirect and not trusted_proxies:
            raise ValueError("x_accel_redirect needs the address of nginx in api.trusted_proxies")
