"""The settings of `[media]`."""

from __future__ import annotations

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

    @model_validator(mode="after")
    def _require_token_with_edges(self) -> MediaSettings:
        if self.edges and len(self.edge_token) < MIN_EDGE_TOKEN_LENGTH:
            raise ValueError(f"edges need an edge_token of at least {MIN_EDGE_TOKEN_LENGTH} characters")
        return self
