"""The settings of the installation, from `ivr.toml` and from `IVR_*` environment variables (docs/settings.md).

A variable overrides the file: `IVR_FASTAGI__PORT=4600` sets `port` of `[fastagi]`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from ivr.ami.settings import AmiSettings
from ivr.api.settings import MediaSettings
from ivr.call.ari.settings import AriSettings
from ivr.directory.settings import PinSettings
from ivr.errors import InvalidFields, SettingsError
from ivr.health.settings import HealthSettings
from ivr.mailbox.text_values import VariablesSource, suggest
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.metrics.settings import MetricsSettings
from ivr.notifications.settings import MailSettings, MwiSettings, NotificationSettings, TranscriptionSettings
from ivr.retention.rules import RetentionSettings
from ivr.settings_errors import DOCUMENTED, describe_violation
from ivr.storage.data_folder import is_present
from ivr.storage.settings import AudioSettings, DatabaseSettings
from ivr.trusted_path import changeable_by_others, refusal
from ivr.validation.fields import OptionalPath, ServiceAddress, WebOrigin

ENV_PREFIX = "IVR_"
CONFIG_ENV_VARIABLE = "IVR_CONFIG"
CONFIG_PATH = Path("/etc/ivr/ivr.toml")


class _Section(BaseModel):
    # Validators are built once, within those of `Settings`, not for each section, too: each command would wait for it.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class DataSettings(_Section):
    folder: Path = Field(
        Path("/var/lib/ivr"),
        description="Folder of the database, recordings and prompt cache. Asterisk must see it at the same path.",
    )
    busy_timeout_ms: Annotated[int, Field(ge=0, le=600_000)] = Field(
        5000,
        description="Milliseconds to wait while another process writes to the database. 0: fail immediately.",
    )
    fsync: bool = Field(
        True,
        description="Wait for the disk after each change. false: a power failure may lose messages.",
    )


class NodeSettings(_Section):
    name: Annotated[str, Field(pattern=r"^[\w.-]{0,64}$")] = Field(
        "",
        description="Name of this node: one Asterisk, and the services beside it. Several nodes can share a data folder"
        " (docs/several-services.md). Empty: `asterisk.system_name`.",
    )
    folder: OptionalPath = Field(
        None,
        description="Folder of what belongs to this node alone: recordings in progress, caches and locks. Its Asterisk"
        " must see it at the same path. Empty: the data folder.",
    )


class FastAgiSettings(_Section):
    host: str = Field("127.0.0.1", description="Address to listen on for FastAGI.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(4573, description="TCP port to listen on. 0: any free port.")
    max_calls: Annotated[int, Field(ge=1, le=100_000)] = Field(
        500,
        description="Maximum number of simultaneous calls over FastAGI; the dialplan continues with any further call.",
    )
    header_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        5.0, description="Seconds to wait for the header block of a new connection."
    )
    max_silent: Annotated[int, Field(ge=1, le=10_000)] = Field(
        100, description="Connections without a header block that are held; then one of the address that has most ends."
    )
    max_silent_per_address: Annotated[int, Field(ge=0, le=10_000)] = Field(
        50, description="The same for one address (IPv6: per /64 network); 0: no limit."
    )


class AsteriskSettings(_Section):
    system_name: str = Field(
        "asterisk", description="Name of this Asterisk; it tells endpoints of the same name on several Asterisks apart."
    )
    secret: str = Field(
        "",
        description="Value of the Asterisk global variable IVR_SECRET. Empty: read from `state/asterisk-secret` in the"
        " data folder, which the first start creates.",
    )
    user: str = Field(
        "",
        description="User of an Asterisk on this machine, by name or number: no other user's program at its ports gets"
        " a password. Empty: each user of the group of the data folder, to which Asterisk records.",
    )
    console_command: str = Field(
        "asterisk", description="Command that runs an Asterisk console command when `-rx COMMAND` is appended."
    )


class SoundsSettings(_Section):
    folder: OptionalPath = Field(
        None,
        description="Folder of the prompts, with a subfolder for each language. Empty: the prompts of the package.",
    )
    prompt_cache_size: Annotated[int, Field(ge=100, le=10**6)] = Field(
        2000, description="Maximum number of concatenated prompts in the cache."
    )


class ApiSettings(_Section):
    host: str = Field("127.0.0.1", description="Address on which the REST API listens.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8000, description="TCP port; 0: any free port.")
    public_url: ServiceAddress | None = Field(
        None,
        description="Address of the API for the world, as `https://voicemail.example.com`; mails link to it. A folder"
        " may follow, but no `?`, no `#` and no user. Empty: no links.",
    )
    tls_certificate: OptionalPath = Field(
        None, description="PEM file with the certificate chain. With `tls_key` it enables TLS; empty: plain HTTP."
    )
    tls_key: OptionalPath = Field(None, description="PEM file with the private key of `tls_certificate`.")
    trusted_proxies: str = Field(
        "", description="Proxy addresses, separated by commas, whose X-Forwarded-For is believed; empty: none."
    )
    allowed_networks: list[IPvAnyNetwork] = Field(
        [], description="Addresses and networks from which clients may connect; empty: all."
    )
    origins: list[WebOrigin] = Field(
        [],
        description=(
            "Origins of web pages that may use the API from a browser, as `https://portal.example.com`; `*`: all;"
            " empty: none but the API itself."
        ),
    )
    link_lifetime_s: Annotated[int, Field(ge=60, le=3600)] = Field(
        600, description="Seconds for which a link to the audio of a message is valid (`?links=true`)."
    )
    basic_auth: bool = Field(
        False,
        description=(
            "Whether requests are accepted with `Authorization: Basic` of account id and MD5 of `username:password`, as"
            " Kazoo does. Each such request costs as much as signing in."
        ),
    )
    token_in_query: bool = Field(
        False,
        description=(
            "Whether the audio of a message is sent for a token in the query (`?auth_token=`), as Kazoo does. Proxies"
            " and browsers store addresses, so prefer links."
        ),
    )
    max_json_bytes: Annotated[int, Field(ge=1000)] = Field(1_000_000, description="Maximum size of a JSON body, bytes.")
    max_audio_bytes: Annotated[int, Field(ge=1000)] = Field(
        64_000_000, description="Maximum size of uploaded audio, bytes."
    )
    max_audio_s: Annotated[int, Field(ge=1, le=36_000)] = Field(
        3600, description="Maximum duration of uploaded audio, seconds; longer audio is rejected."
    )
    body_idle_timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        10.0, description="Seconds without a byte after which an upload is abandoned."
    )
    conversion_workers: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="Number of processes that convert audio, started when they are needed."
    )
    conversion_cpu_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        60, description="Seconds of processor time that ffmpeg may use for one upload; then the upload is refused."
    )
    conversion_memory_mb: Annotated[int, Field(ge=384, le=65_536)] = Field(
        768,
        description="MB of address space that ffmpeg may use for one upload; a file that needs more is refused. Its"
        " libraries alone take about 300.",
    )
    max_waiting_uploads: Annotated[int, Field(ge=1, le=10_000)] = Field(
        20, description="Uploads of one account that wait for conversion; a further one is refused with 503."
    )
    body_min_bytes_per_s: Annotated[int, Field(ge=0, le=10**6)] = Field(
        500, description="Bytes a second that a body must bring on average, else it is abandoned; 0: no limit."
    )
    head_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        10.0, description="Seconds in which the head of a request must arrive, and the handshake of TLS before it."
    )
    send_timeout_s: Annotated[float, Field(ge=10, le=3600)] = Field(
        120.0, description="Seconds in which a client must take 64 kB of a response; then the connection is closed."
    )
    max_connections: Annotated[int, Field(ge=10, le=100_000)] = Field(
        500, description="Connections that are held, without those of open pages; a further one gets 503."
    )
    max_connections_per_address: Annotated[int, Field(ge=0, le=500)] = Field(
        50,
        description="Connections that one address may hold, without those of open pages; 0: no limit."
        " `trusted_proxies` have no limit.",
    )
    own_boxes_only: bool = Field(
        True,
        description="Whether a user who signs in reaches their own boxes only; false: the whole account, as in Kazoo.",
    )
    failures_per_hour: Annotated[int, Field(ge=1)] = Field(
        20,
        description="Wrong tokens, and as many wrong credentials, allowed per address (IPv6: per /64 network) and hour;"
        " further requests get 429.",
    )
    max_sessions: Annotated[int, Field(ge=1)] = Field(
        100, description="Valid tokens of PUT /v2/user_auth or /v2/api_auth per user or API key; the oldest one ends."
    )
    session_lifetime_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        1, description="Hours until a token of PUT /v2/user_auth or /v2/api_auth expires."
    )


class PageSettings(_Section):
    enabled: bool = Field(
        True, description="Whether the REST port serves the page for owners at `/`; false: the REST API alone."
    )
    session_lifetime_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        12, description="Hours until an owner has to sign in to the page again."
    )


class DeskPhoneSettings(_Section):
    enabled: bool = Field(True, description="Whether the REST port serves the screens of desk phones at `/phone/`.")
    dial_prefix: Annotated[str, Field(pattern=r"^[0-9*#]{0,10}$")] = Field(
        "*97", description="What desk phones dial in front of a mailbox number, `*` and the reference of a message."
    )
    allow_plain_http: bool = Field(
        False,
        description="Whether desk phones may send secrets and PINs without TLS; false: only phones that use https.",
    )


class LogSettings(_Section):
    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = Field(
        "info", description="Lowest level that is logged: debug, info, warning or error."
    )
    json_lines: bool = Field(False, description="Write one JSON object for each line instead of text.")


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    data: DataSettings = DataSettings()
    database: DatabaseSettings = DatabaseSettings()
    audio: AudioSettings = AudioSettings()
    node: NodeSettings = NodeSettings()
    fastagi: FastAgiSettings = FastAgiSettings()
    ari: AriSettings = AriSettings()
    asterisk: AsteriskSettings = AsteriskSettings()
    sounds: SoundsSettings = SoundsSettings()
    pins: PinSettings = PinSettings()
    api: ApiSettings = ApiSettings()
    media: MediaSettings = MediaSettings()
    page: PageSettings = PageSettings()
    desk_phones: DeskPhoneSettings = DeskPhoneSettings()
    log: LogSettings = LogSettings()
    voicemail: VoicemailSettings = VoicemailSettings()
    retention: RetentionSettings = RetentionSettings()
    ami: AmiSettings = AmiSettings()
    mwi: MwiSettings = MwiSettings()
    notifications: NotificationSettings = NotificationSettings()
    mail: MailSettings = MailSettings()
    transcription: TranscriptionSettings = TranscriptionSettings()
    metrics: MetricsSettings = MetricsSettings()
    health: HealthSettings = HealthSettings()

    @field_validator("voicemail")
    @classmethod
    def _require_known_keys(cls, voicemail: VoicemailSettings) -> VoicemailSettings:
        try:
            return voicemail.validated_with({})
        except InvalidFields as error:
            raise ValueError(str(error)) from error

    @field_validator("media")
    @classmethod
    def _require_redirect_targets(cls, media: MediaSettings, info: ValidationInfo) -> MediaSettings:
        if (audio := info.data.get("audio")) and (api := info.data.get("api")):
            media.require_redirect_targets(is_folder=audio.is_folder, trusted_proxies=api.trusted_proxies)
        return media

    @property
    def node_name(self) -> str:
        """The name of this node."""
        return self.node.name or self.asterisk.system_name

    @property
    def node_folder(self) -> Path:
        """The folder of what belongs to this node alone."""
        return self.node.folder or self.data.folder

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
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, VariablesSource(settings_cls))
        return (*sources, TomlConfigSettingsSource(settings_cls, path)) if path else sources


def config_path() -> Path | None:
    """Return the file to read: the one that `IVR_CONFIG` names, else /etc/ivr/ivr.toml, else None.

    The current folder is never read: a user who can write there would choose what a command runs.
    """
    configured = os.environ.get(CONFIG_ENV_VARIABLE)
    return Path(configured) if configured else CONFIG_PATH if is_present(CONFIG_PATH) else None


def load(**overrides: Any) -> Settings:
    """Read and validate the settings; `overrides` win. Raises `SettingsError`, which names file, setting and remedy."""
    path = config_path()
    if path and not is_present(path):
        raise SettingsError(f"{path} does not exist: create it, or set {CONFIG_ENV_VARIABLE} to another file")
    if path and os.geteuid() == 0 and (changeable := changeable_by_others(path)):
        raise SettingsError(f"root does not read {path}: {refusal(changeable)}")
    if unknown := _unknown_variables():
        raise SettingsError("\n".join(["invalid settings:", *unknown]))
    try:
        return Settings(**overrides)
    except ValidationError as error:
        sources = f"{path or 'no ivr.toml'} and {ENV_PREFIX}* variables"
        lines = [describe_violation(violation, Settings.model_fields) for violation in error.errors()]
        raise SettingsError("\n".join([f"invalid settings ({sources}):", *lines])) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error


def _unknown_variables() -> list[str]:
    """Return a line for each variable `IVR_SECTION__NAME` whose section does not exist; pydantic ignores these."""
    lines = []
    for variable in sorted(os.environ):
        section, delimiter, _ = variable.removeprefix(ENV_PREFIX).lower().partition("__")
        if variable.startswith(ENV_PREFIX) and delimiter and section not in Settings.model_fields:
            hint = suggest(section, Settings.model_fields)
            lines.append(f"  {variable}: unknown section {section}; {hint}{DOCUMENTED}")
    return lines
