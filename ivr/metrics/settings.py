"""Where Prometheus finds the counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class MetricsSettings(BaseModel):
    """Nobody has to sign in there: keep it on loopback or behind something that asks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address at which Prometheus finds /metrics.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(0, description="0: nowhere.")
