"""Settings of where rows and recordings are stored."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ivr.validation.fields import BaseUrl, OptionalPath

MEGABYTE = 2**20


class DatabaseSettings(BaseModel):
    """Where rows are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    url: Annotated[str, Field(pattern=r"^(postgres(ql)?://.*)?$")] = Field(
        "",
        description="Address of a PostgreSQL database for accounts, mailboxes and the rows of messages, as"
        " `postgresql://user:password@host/database` (docs/scale.md). Empty: SQLite in the data folder.",
    )
    connections: Annotated[int, Field(ge=2, le=200)] = Field(
        16,
        description="Connections to PostgreSQL of each service: half for calls, half for requests.",
    )


class AudioSettings(BaseModel):
    """Where recordings are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    store: Annotated[str, Field(pattern=r"^(folder|s3://[a-z0-9][a-z0-9.-]+(/[\w.-]+)*)$")] = Field(
        "folder",
        description="`folder`: recordings are files in the data folder. `s3://bucket/prefix`: they are objects in a"
        " bucket of S3 or of a store that speaks its protocol (docs/scale.md).",
    )
    endpoint: BaseUrl | None = Field(
        None, description="Address of the object store, as `https://s3.example.com`. Empty: that of AWS for the region."
    )
    region: Annotated[str, Field(pattern=r"^[\w-]+$")] = Field("us-east-1", description="Region of the bucket.")
    path_style: bool = Field(
        True, description="The bucket is in the path of requests. false: it is in the host name, as AWS prefers."
    )
    access_key_id: str = Field(
        "",
        description="Id of the key for the bucket. Empty: the variables `AWS_ACCESS_KEY_ID` and"
        " `AWS_SECRET_ACCESS_KEY`; at AWS also the role of the machine.",
    )
    secret_access_key: str = Field("", description="The secret of the key, if it is in no file of its own.")
    secret_access_key_file: OptionalPath = Field(
        None, description="File with the secret of the key and nothing else. It takes the place of `secret_access_key`."
    )
    cache_mb: Annotated[int, Field(ge=10, le=10**8)] = Field(
        20_000, description="MB of recordings that each node keeps in its folder, so that they need not be fetched."
    )
    within_s: Annotated[float, Field(ge=0.5, le=60)] = Field(
        5.0, description="Seconds to wait for the object store. Then the caller hears that it did not work."
    )

    @property
    def is_folder(self) -> bool:
        """Whether recordings are in the data folder."""
        return self.store == "folder"
