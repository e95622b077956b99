"""The configuration of a lab's Asterisk: our `asterisk-conf/`, taken in as a site would, and what a site adds."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ASTERISK_CONF = Path(__file__).parents[3] / "asterisk-conf"

UNWANTED = (
    "app_festival", "app_jack", "app_voicemail_odbc", "cdr_adaptive_odbc", "cdr_odbc", "cdr_pgsql", "cdr_radius",
    "cdr_sqlite3_custom", "cdr_tds", "cel_odbc", "cel_pgsql", "cel_radius", "cel_sqlite3_custom", "cel_tds",
    "chan_console", "chan_iax2", "chan_motif", "chan_unistim", "pbx_ael", "pbx_dundi", "pbx_lua", "res_ael_share",
    "res_aeap", "res_calendar", "res_config_ldap", "res_config_odbc", "res_config_pgsql", "res_fax", "res_fax_spandsp",
    "res_hep", "res_odbc", "res_phoneprov", "res_pjsip_phoneprov_provider", "res_prometheus", "res_smdi", "res_snmp",
    "res_speech_aeap", "res_statsd", "res_stun_monitor", "res_xmpp",
)  # fmt: skip
"""Modules that would look for what a lab does not have."""


@dataclass(frozen=True, slots=True)
class Device:
    """One SIP account; `number` is the box whose message light it shows."""

    name: str
    password: str
    number: str


@dataclass(frozen=True, slots=True)
class Site:
    """What one lab is like. All folders are seen by Asterisk at the same path as by us."""

    folder: Path
    sip_port: int
    rtp_ports: tuple[int, int]
    agi_port: int
    secret: str
    sounds: Path
    devices: tuple[Device, ...]
    late_ports: dict[int, int]
    """Services whose loop is so many ms late, and where they listen."""


def write(site: Site, modules: Path) -> Path:
    """Write all files; gives the asterisk.conf. `modules`: Asterisk's module folder, as Asterisk sees it."""
    etc = site.folder / "etc"
    shutil.copytree(ASTERISK_CONF, etc / "ivr", dirs_exist_ok=True)
    for name in ("run", "spool", "db", "log"):
        (site.folder / name).mkdir(exist_ok=True)
    files = {
        "asterisk.conf": _asterisk(site, modules),
        "modules.conf": ["[modules]", "autoload = yes", *(f"noload = {name}.so" for name in UNWANTED)],
        "logger.conf": ["[general]", "[logfiles]", "messages = notice,warning,error,verbose(3)"],
        "rtp.conf": ["[general]", f"rtpstart = {site.rtp_ports[0]}", f"rtpend = {site.rtp_ports[1]}"],
        "extensions.conf": _extensions(site),
        "ivr/secret.conf": [
            f"IVR_SECRET => {site.secret}", f"IVR_HOST => 127.0.0.1:{site.agi_port}", f"IVR_SOUNDS => {site.sounds}",
        ],
        "pjsip.conf": _pjsip(site),
        **{f"{name}.conf": ["[general]"] for name in ("cdr", "cel", "features", "indications", "voicemail")},
        **{f"{name}.conf": ["[general]", "enabled = no"] for name in ("manager", "http")},
    }  # fmt: skip
    for name, lines in files.items():
        (etc / name).write_text("\n".join(lines) + "\n")
    (etc / "ivr" / "secret.conf").chmod(0o640)
    return etc / "asterisk.conf"


def _asterisk(site: Site, modules: Path) -> Iterable[str]:
    folder = site.folder
    return [
        "[directories]", f"astetcdir => {folder}/etc", f"astmoddir => {modules}", "astvarlibdir => /var/lib/asterisk",
        f"astdbdir => {folder}/db", f"astkeydir => {folder}/db", "astdatadir => /usr/share/asterisk",
        f"astspooldir => {folder}/spool", f"astrundir => {folder}/run", f"astlogdir => {folder}/log",
        "[options]", "nofork = yes", "verbose = 3", "nocolor = yes",
    ]  # fmt: skip


def _extensions(site: Site) -> Iterable[str]:
    return [
        "[globals]",
        '#include "ivr/extensions.conf"',
        "",
        "[from-phones]",
        "include => ivr-phones",
        "exten => _1XXX,1,Gosub(ivr-leave,s,1(number=${EXTEN}))",
        " same => n,Hangup()",
        # Somebody's phone that sends its calls on: what reaches the box then is a forwarded call.
        "exten => _*72X!,1,Set(REDIRECTING(from-num)=${CALLERID(num)})",
        " same => n,Gosub(ivr-leave,s,1(number=${EXTEN:3}))",
        " same => n,Hangup()",
        # What a box may be asked with, as a test wants it: *99 and the name of a variable of the global list.
        "exten => _*99X!,1,Gosub(ivr-check,s,1(${GLOBAL(TRY_${EXTEN:3})}))",
        " same => n,Playback(${IVR_SOUNDS}/done/thank-you)",
        " same => n,Hangup()",
        # Where call-backs may go: the phones of this house by their numbers, and nowhere else.
        "[ivr-callback]",
        *(f"exten => {device.number},1,Dial(PJSIP/{device.name},20)" for device in site.devices),
        *_for_callers(),
        "[from-phones](+)",
        *(line for late_ms, port in site.late_ports.items() for line in _late(late_ms, port)),
    ]


def _for_callers() -> Iterable[str]:
    """Where a caller at a box may go from it. What is reached says a month or a weekday, which nothing else does."""
    return [
        "[ivr-operator]",
        *_says("0", "month/1"),
        *_says("200", "month/2"),
        "[ivr-hunt]",
        *_says("5101", "weekday/1"),
        *_says("5102", "weekday/2"),
        # *90 and the number of a box: the dialplan goes on behind it and says how it ended, as a number.
        "[from-phones](+)",
        "exten => _*901XXX,1,Gosub(ivr-leave,s,1(number=${EXTEN:3}))",
        *(f' same => n,ExecIf($["${{IVRSTATUS}}" = "{status}"]?Playback(${{IVR_SOUNDS}}/number/{number}))'
          for number, status in enumerate(ENDINGS, ENDINGS_FROM)),
        " same => n,Hangup()",
        # *91: the same, for three seconds at most.
        "exten => _*911XXX,1,Gosub(ivr-leave,s,1(number=${EXTEN:3},max_message_length=3))",
        " same => n,Hangup()",
    ]  # fmt: skip


ENDINGS = ("DONE", "FULL", "NOMESSAGE", "EXIT", "NOBOX")
ENDINGS_FROM = 81


def _says(extension: str, prompt: str) -> Iterable[str]:
    return [
        f"exten => {extension},1,Answer()", f" same => n,Playback(${{IVR_SOUNDS}}/{prompt})", " same => n,Hangup()",
    ]  # fmt: skip


def _late(late_ms: int, port: int) -> Iterable[str]:
    """*80 and the milliseconds: one's own mailbox, at a service that is so late."""
    return [
        f"exten => *80{late_ms},1,Set(IVR_HOST=127.0.0.1:{port})",
        " same => n,Gosub(ivr-check,s,1(single_mailbox_login=true))",
        " same => n,Hangup()",
    ]


def _pjsip(site: Site) -> Iterable[str]:
    yield from ["[global]", "type = global", "user_agent = lab", "[system]", "type = system", "timer_t1 = 500"]
    yield from ["[udp]", "type = transport", "protocol = udp", f"bind = 127.0.0.1:{site.sip_port}"]
    yield '#include "ivr/pjsip.conf"'
    for device in site.devices:
        name = device.name
        yield from [f"[{name}](ivr-phone)", f"auth = {name}", f"aors = {name}"]
        yield from [f"[{name}](ivr-auth)", f"username = {name}", f"password = {device.password}"]
        yield from [f"[{name}](ivr-aor)", f"mailboxes = {device.number}@ivr"]
