"""Settings of the health pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class HealthSettings(BaseModel):
    """Section `[health]`: where /healthz and /readyz are served, which need no token."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str = Field("127.0.0.1", description="Address of /healthz and /readyz, if they have a port of their own.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        0, description="Port of /healthz and /readyz. 0: they are served on the port of the REST API."
    )
