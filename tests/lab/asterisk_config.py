"""The configuration of a lab's Asterisk: our `asterisk-conf/`, taken in as a site would, and what a site adds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ivr.install.plan import MANAGER_INCLUDE
from tests.call.contract.contract_fixture import CONTEXT, EXTENSION, VALUE, VARIABLE
from tests.lab import transports
from tests.lab.transports import ServiceInstance

ASTERISK_CONF = Path(__file__).parents[2] / "asterisk-conf"

DISABLED_MODULES = (
    "app_festival",
    "app_jack",
    "app_voicemail_odbc",
    "cdr_adaptive_odbc",
    "cdr_odbc",
    "cdr_pgsql",
    "cdr_radius",
    "cdr_sqlite3_custom",
    "cdr_tds",
    "cel_odbc",
    "cel_pgsql",
    "cel_radius",
    "cel_sqlite3_custom",
    "cel_tds",
    "chan_console",
    "chan_iax2",
    "chan_motif",
    "chan_unistim",
    "pbx_ael",
    "pbx_dundi",
    "pbx_lua",
    "res_ael_share",
    "res_aeap",
    "res_calendar",
    "res_config_ldap",
    "res_config_odbc",
    "res_config_pgsql",
    "res_fax",
    "res_fax_spandsp",
    "res_hep",
    "res_odbc",
    "res_phoneprov",
    "res_pjsip_phoneprov_provider",
    "res_prometheus",
    "res_smdi",
    "res_snmp",
    "res_speech_aeap",
    "res_statsd",
    "res_stun_monitor",
    "res_xmpp",
)
"""Modules that would look for what a lab does not have."""

AGI_PROGRAMS = "agi-bin"
UNAUTHENTICATED_PHONE = "open-phone"
"""An endpoint that need not authenticate, which no test dials from."""


@dataclass(frozen=True, slots=True)
class SipAccount:
    """One SIP account; `number` is the box whose message light it shows."""

    name: str
    password: str
    number: str


@dataclass(frozen=True, slots=True)
class LabConfig:
    """What one lab is like. All folders are seen by Asterisk at the same path as by us."""

    folder: Path
    sip_port: int
    rtp_ports: tuple[int, int]
    http_port: int
    https_port: int
    secret: str
    sounds: Path
    devices: tuple[SipAccount, ...]
    main_instance: ServiceInstance
    """The service that calls go to which choose none."""
    lagging_instances: dict[int, ServiceInstance]
    """Services whose loop is so many ms late."""
    spare_instances: tuple[ServiceInstance, ...]
    """Services that tests start and kill themselves."""
    contract_instance: ServiceInstance | None = None
    """What stands for the menus where the contract of the transports is tested."""
    ami_port: int = 0
    """0: no manager."""
    transport: str = "fastagi"
    """The transport of calls: one of `TRANSPORTS`."""
    system_name: str = ""
    """Of an Asterisk that is one of several."""

    @property
    def takes_folder(self) -> Path:
        """Where Asterisk records."""
        return (self.folder / "node" if self.system_name else self.main_instance.data) / "takes"

    @property
    def tls_folder(self) -> Path:
        """The folder of the certificate that Asterisk shows, and of its key."""
        return self.folder / "tls"


def write(site: LabConfig, modules: Path) -> Path:
    """Write all files; gives the asterisk.conf. `modules`: Asterisk's module folder, as Asterisk sees it."""
    etc = site.folder / "etc"
    shutil.copytree(ASTERISK_CONF, etc / "ivr", dirs_exist_ok=True)
    per_call = [
        instance for instance in (site.main_instance, site.contract_instance) if instance and instance.listen_port
    ]
    dialled = [transports.per_call_websocket_conf(instance, site.secret) for instance in per_call]
    for name in ("run", "spool", "db", "log"):
        (site.folder / name).mkdir(exist_ok=True)
    files = {
        "asterisk.conf": _asterisk_conf(site, modules),
        "modules.conf": ["[modules]", "autoload = yes", *(f"noload = {name}.so" for name in DISABLED_MODULES)],
        "logger.conf": [
            "[general]",
            "[logfiles]",
            "messages = notice,warning,error,verbose(3)",
            '#include "ivr/logger.conf"',
        ],
        "rtp.conf": ["[general]", f"rtpstart = {site.rtp_ports[0]}", f"rtpend = {site.rtp_ports[1]}"],
        "extensions.conf": _extensions_conf(site),
        **_freepbx_files(),
        "ivr/secret.conf": [
            f"IVR_SECRET => {site.secret}",
            f"IVR_FASTAGI_ADDRESS => 127.0.0.1:{site.main_instance.port}",
            f"IVR_SOUNDS_FOLDER => {site.sounds}",
            f"IVR_TAKES_FOLDER => {site.takes_folder}",
            f"IVR_TRANSPORT => {site.transport}",
            f"{transports.APPS_VARIABLE} => {site.main_instance.name}",
            *_office_hours_extensions(),
        ],
        "queues.conf": _queues_conf(),
        "pjsip.conf": _pjsip_conf(site),
        **{f"{name}.conf": ["[general]"] for name in ("cdr", "cel", "features", "indications")},
        "voicemail.conf": [*APP_VOICEMAIL_CONF, *(f"{device.number} => 4716,{device.name}" for device in site.devices)],
        "manager.conf": _manager_conf(site),
        "http.conf": ['#include "ivr/http.conf"'],
        "ari.conf": ['#include "ivr/ari.conf"', *(line for _, used in dialled for line in used)],
        "websocket_client.conf": [line for client, _ in dialled for line in client],
    }
    for name, lines in files.items():
        (etc / name).write_text("\n".join(lines) + "\n")
    (etc / "ivr" / "manager-secret.conf").write_text(f"secret = {site.secret}\n")
    (etc / "manager.d").mkdir()
    (etc / "manager.d" / "ivr.conf").write_text(MANAGER_INCLUDE)
    (etc / "ivr" / "http.conf").write_text(
        transports.http_conf(
            (ASTERISK_CONF / "http.conf").read_text(), site.http_port, site.https_port, site.tls_folder
        )
    )
    (etc / "ivr" / "ari.conf").write_text(transports.ari_conf((ASTERISK_CONF / "ari.conf").read_text(), site.secret))
    (etc / "ivr" / "secret.conf").chmod(0o640)
    return etc / "asterisk.conf"


def _asterisk_conf(site: LabConfig, modules: Path) -> Iterable[str]:
    folder = site.folder
    return [
        "[directories]",
        f"astetcdir => {folder}/etc",
        f"astmoddir => {modules}",
        "astvarlibdir => /var/lib/asterisk",
        f"astdbdir => {folder}/db",
        f"astkeydir => {folder}/db",
        "astdatadir => /usr/share/asterisk",
        f"astspooldir => {folder}/spool",
        f"astagidir => {folder}/{AGI_PROGRAMS}",
        f"astrundir => {folder}/run",
        f"astlogdir => {folder}/log",
        "[options]",
        "nofork = yes",
        "verbose = 3",
        "nocolor = yes",
        *([f"systemname = {site.system_name}"] if site.system_name else []),
    ]


def _manager_conf(site: LabConfig) -> Iterable[str]:
    """The section of our sample, taken in as `ivr install` does it with Debian's manager.conf."""
    if not site.ami_port:
        return ["[general]", "enabled = no"]
    general = ["[general]", "enabled = yes", "bindaddr = 127.0.0.1", f"port = {site.ami_port}"]
    return [*general, '#include "manager.d/*.conf"']


LATER_GLOBAL = "SITE_AFTER_INCLUDE"
"""A variable that a site has behind the line that includes our dialplan."""


def _extensions_conf(site: LabConfig) -> Iterable[str]:
    return [
        '#include "extensions_override_freepbx.conf"',
        '#include "extensions_additional.conf"',
        '#include "extensions_custom.conf"',
        "[from-phones]",
        "include => ivr-phones",
        "exten => _1XXX,1,Gosub(ivr-leave,s,1(number=${EXTEN}))",
        " same => n,Hangup()",
        # A phone that diverts its calls: what reaches the mailbox is a diverted call.
        "exten => _*72X!,1,Set(REDIRECTING(from-num)=${CALLERID(num)})",
        " same => n,Gosub(ivr-leave,s,1(number=${EXTEN:3}))",
        " same => n,Hangup()",
        # A box, with an argument that tries to be a line of the header block: its owner's phone calls.
        "exten => _*621XXX,1,Set(NEXT_LINE=${BASE64_DECODE(Cg==)})",
        " same => n,Gosub(ivr-check,s,1(number=${EXTEN:3},"
        'reason=x"${NEXT_LINE}agi_channel: PJSIP/p${EXTEN:-3}-00000001))',
        " same => n,Hangup()",
        # What a box may be asked with, as a test wants it: *99 and the name of a variable of the global list.
        "exten => _*99X!,1,Gosub(ivr-check,s,1(${GLOBAL(TRY_${EXTEN:3})}))",
        " same => n,Playback(${IVR_SOUNDS_FOLDER}/done/thank-you)",
        " same => n,Hangup()",
        # Where call-backs may go: the phones of this lab by their numbers only.
        "[ivr-callback]",
        *(f"exten => {device.number},1,Dial(PJSIP/{device.name},20)" for device in site.devices),
        # What a careless site may have, for the doctor to find; no call is sent there.
        "[anywhere]",
        "exten => _X.,1,Hangup()",
        *_exit_contexts(),
        "[from-phones](+)",
        *(line for late_ms, late in site.lagging_instances.items() for line in _lagging_extensions(late_ms, late)),
        *_transport_extensions(),
        *_mailbox_entry_extensions(),
        *_app_voicemail_extensions(),
        *_request_extensions(),
        *(line for n, spare in enumerate(site.spare_instances) for line in _spare_extensions(n, spare)),
        *(_contract_extensions(site.contract_instance) if site.contract_instance else []),
    ]


VMX_KEYS = "45*"
"""Keys of the VmX Locater that the tests store; each leads to what says a month."""


def _freepbx_files() -> dict[str, Iterable[str]]:
    """The dialplan as FreePBX 17 lays it out: what overrides it is loaded first, and its settings are included by
    globals_custom.conf. What FreePBX writes says "Sunday" where it is not overridden.

    *45, a mode and the number of a box: FreePBX's own extension leads to voicemail, and says "Friday" when it is back.
    *44 and what a phone dials: that, in FreePBX's context of phones.
    """
    written = [f"exten => s,{n},Playback(${{IVR_SOUNDS_FOLDER}}/weekday/7)" for n in range(1, 4)]
    return {
        "extensions_override_freepbx.conf": ['#include "ivr/extensions_override_freepbx.conf"'],
        "globals_custom.conf": ['#include "ivr/extensions.conf"', f"{LATER_GLOBAL} => 1"],
        "extensions_additional.conf": [
            "[globals]",
            '#include "globals_custom.conf"',
            "VMX_REPEAT => 1",
            "VMX_TIMEOUT => 2",
            "VMX_LOOPS => 1",
            "OPERATOR_XTN => 600",
            "[from-internal]",
            "include => from-internal-additional",
            "include => from-internal-custom",
            "[from-internal-additional]",
            "include => app-vmmain",
            "include => app-dialvm",
            *(
                line
                for code, mode in enumerate(("NOANSWER", "BUSY", "NOMESSAGE"))
                for line in (
                    f"exten => _*45{code}1XXX,1,Gosub(macro-vm,s,1(${{EXTEN:4}},{mode},RETURN))",
                    " same => n,Playback(${IVR_SOUNDS_FOLDER}/weekday/5)",
                    " same => n,Hangup()",
                )
            ),
            *_playback_extension("600", "month/6"),
            "[macro-vm]",
            *written,
            " same => n,Return()",
            "exten => vmx,1,Playback(${IVR_SOUNDS_FOLDER}/weekday/7)",
            "[macro-user-callerid]",
            "exten => s,1,Set(AMPUSER=1${CALLERID(num):1})",
            " same => n,Return()",
            "[macro-blkvm-check]",
            "exten => s,1,Return()",
            "[app-vmmain]",
            *_playback_extension("*97", "weekday/7"),
            "[app-dialvm]",
            *_playback_extension("*98", "weekday/7"),
            "[lab-vmx]",
            *_playback_extension("4", "month/4"),
            *_playback_extension("8", "month/8"),
        ],
        "extensions_custom.conf": ["[from-internal-custom]", *_playback_extension("601", "month/7")],
    }


def _request_extensions() -> Iterable[str]:
    """*46, a request and the number of a box: what the dialplan asks the service. The answer is said.

    *460: how many new messages, *461: whether it exists, before the call is answered. *462: its PIN. *463: the name.
    *464: the message whose reference follows behind *. *465: the directory, dialled in from-phones. *466: the state of
    the hint MWI:NUMBER@ivr.
    """
    number = "${EXTEN:4}"
    return [
        *(
            line
            for code, attribute in enumerate(("new", "exists"))
            for line in (
                f"exten => _*46{code}1XXX,1,Gosub(ivr-info,s,1({number},{attribute}))",
                " same => n,Answer()",
                " same => n,Playback(${IVR_SOUNDS_FOLDER}/number/${GOSUB_RETVAL})",
                " same => n,Hangup()",
            )
        ),
        f"exten => _*4621XXX,1,Gosub(ivr-authenticate,s,1({number}@lab))",
        " same => n,Playback(${IVR_SOUNDS_FOLDER}/month/${AUTH_MAILBOX:0:1})",
        " same => n,Hangup()",
        f"exten => _*4631XXX,1,Gosub(ivr-say-name,s,1({number}))",
        " same => n,Playback(${IVR_SOUNDS_FOLDER}/month/3)",
        " same => n,Hangup()",
        "exten => _*4641XXX*X!,1,Gosub(ivr-play-message,s,1(${EXTEN:4:4},${FILTER(0-9,${EXTEN:9})}))",
        ' same => n,ExecIf($["${VOICEMAIL_PLAYBACKSTATUS}" = "SUCCESS"]?Playback(${IVR_SOUNDS_FOLDER}/month/4))',
        " same => n,Hangup()",
        f'exten => _*4661XXX,1,GotoIf($["${{DEVICE_STATE(MWI:{number}@ivr)}}" = "INUSE"]?lit)',
        " same => n,Playback(${IVR_SOUNDS_FOLDER}/month/11)",
        " same => n,Hangup()",
        " same => n(lit),Playback(${IVR_SOUNDS_FOLDER}/month/12)",
        " same => n,Hangup()",
        "exten => *465,1,Gosub(ivr-directory,s,1(lab,from-phones,e))",
        " same => n,Hangup()",
        "exten => _*44X!,1,Goto(from-internal,${EXTEN:3},1)",
        "exten => _*44*!,1,Goto(from-internal,${EXTEN:3},1)",
    ]


def _exit_contexts() -> Iterable[str]:
    """Where a caller at a box may go from it. What is reached says a month or a weekday, which nothing else does."""
    return [
        "[ivr-operator]",
        *_playback_extension("0", "month/1"),
        *_playback_extension("200", "month/2"),
        "[ivr-hunt]",
        *_playback_extension("5101", "weekday/1"),
        *_playback_extension("5102", "weekday/2"),
        # *90 and the number of a box: the dialplan goes on behind it and says how it ended, as a number.
        "[from-phones](+)",
        "exten => _*901XXX,1,Gosub(ivr-leave,s,1(number=${EXTEN:3}))",
        *(
            f' same => n,ExecIf($["${{IVR_STATUS}}" = "{status}"]?Playback(${{IVR_SOUNDS_FOLDER}}/number/{number}))'
            for number, status in enumerate(STATUS_PROMPTS, FIRST_STATUS_EXTENSION)
        ),
        " same => n,Hangup()",
        # *91: the same, for three seconds at most.
        "exten => _*911XXX,1,Gosub(ivr-leave,s,1(number=${EXTEN:3},max_message_length=3))",
        " same => n,Hangup()",
    ]


STATUS_PROMPTS = ("DONE", "FULL", "NOMESSAGE", "EXIT", "NOBOX")
FIRST_STATUS_EXTENSION = 41


def _playback_extension(extension: str, prompt: str) -> Iterable[str]:
    return [
        f"exten => {extension},1,Answer()",
        f" same => n,Playback(${{IVR_SOUNDS_FOLDER}}/{prompt})",
        " same => n,Hangup()",
    ]


def _lagging_extensions(late_ms: int, late: ServiceInstance) -> Iterable[str]:
    """*80 and the milliseconds: one's own mailbox, at a service that is so late."""
    return [
        f"exten => *80{late_ms},1,NoOp()",
        *transports.select_service_lines(late),
        " same => n,Gosub(ivr-check,s,1(single_mailbox_login=true))",
        " same => n,Hangup()",
    ]


def _transport_extensions() -> Iterable[str]:
    """*5, the index of a transport in `TRANSPORTS`, and any number: dial that number over this transport."""
    return [
        line
        for n, transport in enumerate(transports.TRANSPORTS)
        for line in (f"exten => _*5{n}.,1,Set(IVR_TRANSPORT={transport})", " same => n,Goto(${EXTEN:3},1)")
    ]


def _office_hours_extensions() -> Iterable[str]:
    """Offices that are open, closed, and on holiday, whenever the tests run."""
    now = time.time()
    days = " ".join(time.strftime("%m%d", time.localtime(now + days * 86_400)) for days in (-1, 0, 1))
    return ["IVR_HOURS_always_1 => *,*,*,*", "IVR_HOURS_feast_1 => *,*,*,*", f"IVR_HOLIDAYS_feast => {days}"]


def _queues_conf() -> Iterable[str]:
    """No phone answers in any of them."""
    common = ["strategy = ringall", "context = ivr-queue-keys"]
    return [
        "[general]",
        "[patient]",
        *common,
        "joinempty = yes",
        "leavewhenempty = no",
        "[closed]",
        *common,
        "joinempty = no",
        "[deserted]",
        *common,
        "joinempty = yes",
        "leavewhenempty = yes",
        "[small]",
        *common,
        "joinempty = yes",
        "maxlen = 1",
    ]


def _mailbox_entry_extensions() -> Iterable[str]:
    """Each way into a box: a code and the number of the box, whose owner's phone is named after its last digits."""
    return [
        "exten => _*311XXX,1,Dial(PJSIP/p${EXTEN:-3},2)",
        " same => n,Gosub(ivr-unanswered,s,1(${EXTEN:3}))",
        " same => n,Hangup()",
        *(
            line
            for code, office in enumerate(("always", "feast", "never"), 1)
            for line in (
                f"exten => _*32{code}1XXX,1,Gosub(ivr-after-hours,s,1({office},${{EXTEN:4}}))",
                " same => n,Playback(${IVR_SOUNDS_FOLDER}/weekday/1)",
                " same => n,Hangup()",
            )
        ),
        *(
            line
            for code, queue in enumerate(("patient", "closed", "deserted"), 1)
            for line in (
                f"exten => _*33{code}1XXX,1,Set(IVR_QUEUE_BOX=${{EXTEN:4}})",
                " same => n,Answer()",
                f" same => n,Queue({queue},,,,2)",
                " same => n,Gosub(ivr-queue,s,1(${IVR_QUEUE_BOX}))",
                " same => n,Hangup()",
            )
        ),
        "exten => _*341XXX1XXX,1,Dial(PJSIP/p${EXTEN:4:3}&PJSIP/p${EXTEN:-3},2)",
        " same => n,Gosub(ivr-ringgroup,s,1(${EXTEN:3:4}))",
        " same => n,Hangup()",
        "exten => _*351XXX,1,Set(IVR_MENU_BOX=${EXTEN:3})",
        " same => n,Goto(lab-menu,s,1)",
        "[lab-menu]",
        "include => ivr-menu-errors",
        "exten => s,1,Answer()",
        " same => n,Background(${IVR_SOUNDS_FOLDER}/weekday/2)",
        " same => n,WaitExten(2)",
        "exten => 1,1,Playback(${IVR_SOUNDS_FOLDER}/weekday/3)",
        " same => n,Hangup()",
        "[from-phones](+)",
    ]


APP_VOICEMAIL_CONF = (
    "[general]",
    "format = wav49|gsm|wav",
    "maxsilence = 0",
    "[zonemessages]",
    "berlin = Europe/Berlin|R",
    "[people](!)",
    "3001 => 4716,Of Template,,,tz=berlin",
    "[odd](people)",
    '3002 = 1234,"Meier, Uwe",uwe@a.example ; a comment',
    "3003 => -5839,A\\;B,a@a.example,,Attach=no|tz=none|delete=1",
    "3003 => 9999,Twice",
    ";--",
    "3004 => 4716,Within a comment",
    "--;",
    "[empty]",
    "[odd](+)",
    "3005 =>4716,Added",
    "[pbx]",
)
"""What app_voicemail beside ours reads; the mailboxes of the phones follow. *40 leaves a message, *41 plays them.

*42 and *43 do the same in ivr, once the mailbox has moved.
"""

OPTIONS = ("", "u", "b", "us", "uS", "ue", "ut", "uUg(6)", "ud(lab-digits)", "uz")
"""*36, the place in this list, and the number of a box: that box, by a line that was one of VoiceMail()."""

ODD_LINES = (
    ("voicemail", "&&{box}@lab&9999@lab&", "u"),
    ("voicemail", " {box}@lab ", ""),
    ("voicemail", "{box}@lab", "u("),
    ("voicemail", "{box}@lab", "uug(1e3)t(no/such file)é|b"),
    ("voicemail", "", "u"),
    ("voicemail", "../../etc@lab", "u"),
    ("voicemail", "%s'\\; DROP &", "u"),
    ("voicemail", '{box}@lab"x', "us"),
    ("voicemailmain", "{box}@lab", "s)a(0"),
    ("voicemailmain", "&&&", "p"),
)
"""*48, the place in this list, and the number of a box: a line of VoiceMail() or VoiceMailMain() with odd arguments."""


def _app_voicemail_extensions() -> Iterable[str]:
    """VMSTATUS is told as a day of the week, so that a test can hear it; the extensions o and a are months."""
    arguments_set = [
        f' same => n,ExecIf($["${{VMSTATUS}}" = "{status}"]?Playback(${{IVR_SOUNDS_FOLDER}}/weekday/{day}))'
        for day, status in enumerate(("SUCCESS", "USEREXIT", "FAILED"), 1)
    ]
    end = [*arguments_set, " same => n,Hangup()"]
    return [
        *(
            line
            for n, options in enumerate(OPTIONS)
            for line in (f"exten => _*36{n}1XXX,1,Gosub(ivr-voicemail,s,1(${{EXTEN:4}}@lab,{options}))", *end)
        ),
        *(
            line
            for n, (name, number, options) in enumerate(ODD_LINES)
            for line in (
                f"exten => _*48{n}1XXX,1,Gosub(ivr-{name},s,1({number.format(box='${EXTEN:4}')},{options}))",
                *end,
            )
        ),
        "exten => _*371XXX1XXX,1,Gosub(ivr-voicemail,s,1(${EXTEN:3:4}@lab&${EXTEN:7}@lab,u))",
        *end,
        # The same within a subroutine of the site's own, which the extension o comes back from.
        "exten => _*381XXX,1,Gosub(lab-sub,s,1(${EXTEN:3}))",
        " same => n,Playback(${IVR_SOUNDS_FOLDER}/weekday/5)",
        " same => n,Hangup()",
        "exten => o,1,Playback(${IVR_SOUNDS_FOLDER}/month/1)",
        *end,
        "exten => a,1,Playback(${IVR_SOUNDS_FOLDER}/month/2)",
        *end,
        "exten => h,1,NoOp(lab: ${CALLERID(num)} ended with VMSTATUS ${VMSTATUS})",
        "exten => _*401XXX,1,Answer()",
        " same => n,VoiceMail(${EXTEN:3}@pbx,s)",
        " same => n,Hangup()",
        "exten => _*411XXX,1,Answer()",
        " same => n,VoiceMailMain(${EXTEN:3}@pbx,s)",
        " same => n,Hangup()",
        "exten => _*421XXX,1,Answer()",
        " same => n,Gosub(ivr-moved,s,1(${EXTEN:3}@pbx,s))",
        " same => n,Hangup()",
        "exten => _*431XXX,1,Answer()",
        " same => n,Gosub(ivr-movedmain,s,1(${EXTEN:3}@pbx,s))",
        " same => n,Hangup()",
        "exten => _*391XXX,1,Gosub(ivr-voicemailmain,s,1(${EXTEN:3}@lab,s))",
        " same => n,Hangup()",
        "[lab-sub]",
        "exten => s,1,Gosub(ivr-voicemail,s,1(${ARG1}@lab,u))",
        " same => n,Return()",
        "exten => o,1,Playback(${IVR_SOUNDS_FOLDER}/month/3)",
        " same => n,Return()",
        "[lab-digits]",
        "exten => 5,1,Playback(${IVR_SOUNDS_FOLDER}/month/5)",
        *end,
        "[from-phones](+)",
    ]


def _spare_extensions(n: int, spare: ServiceInstance) -> Iterable[str]:
    """*7, the place of a spare service, and the number of a box there; *7 and the place alone: one's own."""
    return [
        f"exten => _*7{n:02}1XXX,1,Set(IVR_TAKES_FOLDER={spare.data}/takes)",
        *transports.select_service_lines(spare),
        " same => n,Set(IVR_ACCOUNT=lab)",
        " same => n,Gosub(ivr-leave,s,1(number=${EXTEN:4}))",
        " same => n,Hangup()",
        f"exten => *7{n:02},1,Set(IVR_TAKES_FOLDER={spare.data}/takes)",
        *transports.select_service_lines(spare),
        " same => n,Gosub(ivr-check,s,1(single_mailbox_login=true))",
        " same => n,Hangup()",
        # Over ARI, *6: no service, then the spare, then a second one with the same data; *5: the faster one.
        *(
            line
            for code, spread in ((6, ""), (5, "500"))
            for line in (
                f"exten => *{code}{n:02},1,Set(IVR_STASIS_APPS=nobody&{spare.name}&{spare.name}-second)",
                f" same => n,Set(IVR_BROADCAST_TIMEOUT_MS={spread})",
                " same => n,Set(IVR_TRANSPORT=ari)",
                " same => n,Gosub(ivr-check,s,1(single_mailbox_login=true))",
                " same => n,Hangup()",
            )
        ),
    ]


CONTRACT_AGI = "contract-agi"


def _contract_extensions(instance: ServiceInstance) -> Iterable[str]:
    """*60 and the number of a row: the transports' contract (tests/call/contract), over the lab's transport."""
    return [
        f"exten => _*601XXX,1,Set({VARIABLE}={VALUE})",
        *transports.select_service_lines(instance),
        f" same => n,Set(IVR_AGI_PROGRAM={CONTRACT_AGI})",
        f" same => n,Set(IVR_TAKES_FOLDER={instance.data}/takes)",
        " same => n,Gosub(ivr-leave,s,1(number=${EXTEN:3}))",
        " same => n,Hangup()",
        f"[{CONTEXT}]",
        *_playback_extension(EXTENSION, "month/7"),
    ]


def _pjsip_conf(site: LabConfig) -> Iterable[str]:
    yield from ["[global]", "type = global", "user_agent = lab", "[system]", "type = system", "timer_t1 = 500"]
    yield from ["[udp]", "type = transport", "protocol = udp", f"bind = 127.0.0.1:{site.sip_port}"]
    yield '#include "ivr/pjsip.conf"'
    yield from [f"[{UNAUTHENTICATED_PHONE}](ivr-phone)"]
    for device in site.devices:
        name = device.name
        yield from [f"[{name}](ivr-phone)", f"auth = {name}", f"aors = {name}"]
        yield from [f"[{name}](ivr-auth)", f"username = {name}", f"password = {device.password}"]
        yield from [f"[{name}](ivr-aor)", f"mailboxes = {device.number}@ivr"]
        # The same phone's light for all boxes of its user.
        yield from [f"[{name}-all](ivr-aor)", f"mailboxes = {name}@ivr-phones"]
