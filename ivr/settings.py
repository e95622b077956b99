"""All settings of the installation: `ivr.toml`, over which `IVR_*` variables win (docs/settings.md).

`IVR_FASTAGI__PORT=4600` is `port` of `[fastagi]`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from ivr.ami.settings import AmiSettings
from ivr.call.ari.settings import AriSettings
from ivr.errors import SettingsError
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.metrics.settings import MetricsSettings
from ivr.notifications.settings import MailSettings, MwiSettings, NotificationSettings
from ivr.notifications.transcription.settings import TranscriptionSettings
from ivr.retention.rules import RetentionSettings

ENV_PREFIX = "IVR_"
CONFIG_ENV_VARIABLE = "IVR_CONFIG"
CONFIG_PATHS = (Path("ivr.toml"), Path("/etc/ivr/ivr.toml"))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Section):
    folder: Path = Field(
        Path("/var/lib/ivr"), description="Database, recordings and joined prompts. Asterisk sees it at the same path."
    )
    busy_ms: Annotated[int, Field(ge=0, le=600_000)] = Field(
        5000, description="Milliseconds to wait for another process that holds the database."
    )
    sync: bool = Field(
        True, description="Wait for the disk at each change. Off only where losing messages does not matter."
    )


class FastAgiSettings(_Section):
    host: str = Field("127.0.0.1", description="Address to listen on for Asterisk.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(4573, description="0: any free port.")
    calls: Annotated[int, Field(ge=1, le=100_000)] = Field(500, description="Calls at a time.")
    header_within_s: Annotated[float, Field(gt=0, le=600)] = Field(
        5.0, description="Seconds a peer may take to say what it wants."
    )


class AsteriskSettings(_Section):
    system: str = Field("asterisk", description="Which Asterisk the endpoints are of, where there are several.")
    secret: str = Field(
        "",
        description="What IVR_SECRET holds in Asterisk; empty: `asterisk-secret` in the data folder.",
    )
    console: str = Field("asterisk", description="Command that reaches Asterisk's console when `-rx` is put behind it.")


class SoundsSettings(_Section):
    folder: Path | None = Field(
        None, description="The prompts, one folder a language; empty: those that came with ivr."
    )
    sentences: Annotated[int, Field(ge=100, le=10**6)] = Field(2000, description="Joined sentences kept at a time.")


class PinSettings(_Section):
    cost: Annotated[int, Field(ge=4, le=16)] = Field(10, description="bcrypt's cost: 10 takes about 60 ms a try.")


class ApiSettings(_Section):
    host: str = Field("127.0.0.1", description="Address to listen on for REST.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8000, description="0: any free port.")
    certificate: Path | None = Field(None, description="PEM file; with `key`, REST is spoken over TLS.")
    key: Path | None = Field(None, description="PEM file with the certificate's key.")
    proxies: str = Field("", description="Addresses whose X-Forwarded-For is believed, with commas between.")
    clients: list[IPvAnyNetwork] = Field([], description="Addresses and networks that may ask; empty: all.")
    json_bytes: Annotated[int, Field(ge=1000)] = Field(8_000_000, description="A JSON document at most.")
    audio_bytes: Annotated[int, Field(ge=1000)] = Field(64_000_000, description="An upload of audio at most.")
    audio_seconds: Annotated[int, Field(ge=1, le=36_000)] = Field(
        3600, description="How long uploaded audio may last; longer is refused."
    )
    idle_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        30.0, description="Seconds without a byte after which an upload is given up."
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(1, description="Processes that convert audio.")
    owner_only: bool = Field(
        True, description="Who signs in as a user reaches their own boxes only; false: all of the account, as in Kazoo."
    )
    failures_an_hour: Annotated[int, Field(ge=1)] = Field(
        20, description="Wrong tokens and credentials of one address; then it waits an hour."
    )
    session_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        1, description="How long a token of PUT /v2/user_auth or api_auth holds."
    )


class LogSettings(_Section):
    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = Field(
        "info", description="debug, info, warning or error."
    )
    json_lines: bool = Field(False, description="One JSON object a line instead of text.")


class Settings(BaseSettings):
    """One installation."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    data: DataSettings = DataSettings()
    fastagi: FastAgiSettings = FastAgiSettings()
    ari: AriSettings = AriSettings()
    asterisk: AsteriskSettings = AsteriskSettings()
    sounds: SoundsSettings = SoundsSettings()
    pins: PinSettings = PinSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
    voicemail: VoicemailSettings = VoicemailSettings()
    sweeping: RetentionSettings = RetentionSettings()
    ami: AmiSettings = AmiSettings()
    lights: MwiSettings = MwiSettings()
    notify: NotificationSettings = NotificationSettings()
    mail: MailSettings = MailSettings()
    transcript: TranscriptionSettings = TranscriptionSettings()
    metrics: MetricsSettings = MetricsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = config_path()
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls, path)) if path else sources


def config_path() -> Path | None:
    """The file that is read: `IVR_CONFIG`, else ./ivr.toml, else /etc/ivr/ivr.toml, else none."""
    named = os.environ.get(CONFIG_ENV_VARIABLE)
    return Path(named) if named else next((path for path in CONFIG_PATHS if path.is_file()), None)


def load(**overrides: Any) -> Settings:
    """Read the settings. Raises `SettingsError`, which names file, setting and remedy."""
    path = config_path()
    if path and not path.is_file():
        raise SettingsError(f"there is no {path}: make it, or point {CONFIG_ENV_VARIABLE} elsewhere")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        where = f"{path or 'no ivr.toml'} and {ENV_PREFIX}* variables"
        raise SettingsError("\n".join([f"wrong settings ({where}):", *map(_describe_error, error.errors())])) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error


def _describe_error(error: Any) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"  {name}: there is no such setting; docs/settings.md lists them all"
    return f"  {name} = {error['input']!r}: {error['msg']}"
