"""Settings of the Prometheus endpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class MetricsSettings(BaseModel):
    """Section `[metrics]`. The endpoint has no authentication: bind it to loopback, or use a proxy."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str = Field("127.0.0.1", description="Bind address of the /metrics endpoint. It has no authentication.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(0, description="Port; 0 disables the endpoint.")
