"""What is wrong with Asterisk, its dialplan, or its AMI and ARI."""

from __future__ import annotations

import os
from collections.abc import Callable

from ivr import __version__
from tests.doctor.broken_site import IS_ROOT, SERVICE_GROUP, SERVICE_USER, BrokenSite
from tests.doctor.cases.case import Case, Step, after, all_of, change_row, remove_global, set_config, set_global, write

OPEN_CONTEXT = """[ Context 'out' created by 'pbx_config' ]
  '_X.' =>          1. Dial(PJSIP/${EXTEN}@trunk)                    [extensions.conf:9]
-= 1 extension (1 priority) in 1 context. =-
"""


WIDE_CONTEXT = OPEN_CONTEXT.replace("_X.", "_0XXXXXX")
BOUNDED_CONTEXT = OPEN_CONTEXT.replace("_X.", "_1XXX")


LEAVE = "Gosub(ivr-leave,s,1(number=${EXTEN:1},reason=busy))"


def stop_asterisk(site: BrokenSite) -> None:
    (site.asterisk / "down").touch()
    site.effects["systemctl start asterisk"] = lambda: (site.asterisk / "down").unlink(missing_ok=True)


def remove_module(site: BrokenSite) -> None:
    modules = site.asterisk / "modules"
    lines = modules.read_text().splitlines(keepends=True)
    modules.write_text("".join(line for line in lines if not line.startswith(("func_uri", "res_speech", "app_record"))))


def earlier_dialplan(site: BrokenSite) -> None:
    site.set_global("IVR_DIALPLAN_VERSION", "0.0.9")
    site.effects["ivr install"] = lambda: site.set_global("IVR_DIALPLAN_VERSION", __version__)


def other_endpoint(name: str, lines: int) -> Step:
    """Asterisk's endpoint has another name, or no InAuth line."""

    def damage(site: BrokenSite) -> None:
        text = (site.asterisk / "endpoints").read_text().replace("alice-desk", name)
        (site.asterisk / "endpoints").write_text("\n".join(text.splitlines()[:lines]) + "\n")

    return damage


def configure_phone(site: BrokenSite) -> None:
    """Two phones and their AORs, of the same names, are in pjsip.conf. What is added there shows after a reload."""
    file = site.asterisk / "pjsip.conf"
    before = "".join(
        f"[{name}]\ntype=aor\nmax_contacts=1\n[{name}]\ntype = endpoint\ncontext = phones\n"
        for name in ("alice-desk", "bob")
    )
    file.write_text(before)

    def reload() -> None:
        added = "\n[alice-desk]\ntype = auth\nauth_type = userpass\nusername = alice-desk\npassword = 8f31c2\n"
        endpoint = "type = endpoint\nauth = alice-desk\n"
        assert file.read_text() == before.replace("type = endpoint\n", endpoint, 1) + added
        shown = site.asterisk / "endpoints"
        shown.write_text(shown.read_text() + "     InAuth:  alice-desk/alice-desk\n")

    site.effects["asterisk module reload res_pjsip.so"] = reload


def dialplan_not_included(site: BrokenSite) -> None:
    """After `dialplan reload` Asterisk has our contexts only if the file has our line."""
    file, loaded, aside = (
        site.asterisk / "extensions.conf",
        site.asterisk / "contexts" / "ivr-check",
        site.folder / "aside",
    )
    file.write_text("[general]\nstatic=yes\n[globals]\nA=b\n[from-phones]\n")
    loaded.rename(aside)

    def reload() -> None:
        if '[globals]\n#include "ivr/extensions.conf"\nA=b\n' in file.read_text():
            aside.rename(loaded)

    site.effects["asterisk dialplan reload"] = reload


def asterisk_cannot(what: str, remedy: str) -> Step:
    """Asterisk's user lacks a right in the data folder until a command is run."""

    def damage(site: BrokenSite) -> None:
        mark = site.asterisk / f"cannot-{what}"
        mark.touch()
        site.effects[remedy] = lambda: mark.unlink(missing_ok=True)

    return damage


def open_line(site: BrokenSite) -> None:
    """A line of the site's own, which Asterisk has loaded from the file that `dialplan reload` reads again."""
    file = site.asterisk / "extensions.conf"
    file.write_text("\n" * 8 + f"exten => _X.,1,{LEAVE}\n")

    def load() -> None:
        line = file.read_text().splitlines()[8].removeprefix("exten => _X.,1,")
        shown = OPEN_CONTEXT.replace("Dial(PJSIP/${EXTEN}@trunk)", line)
        (site.asterisk / "contexts" / "from-trunk").write_text(shown)

    load()
    site.effects["asterisk dialplan reload"] = load


def switch_off(section: str, file: str, shown: str, reload: str, port: Callable[[BrokenSite], int]) -> Step:
    """Let Asterisk's manager or HTTP server be off: the port is closed until `file` says otherwise and is reloaded."""

    def damage(site: BrokenSite) -> None:
        site.write_config(**{section: {"port": 9, **({"password": "x"} if section == "ari" else {})}})
        (site.asterisk / file.removesuffix(".conf")).write_text(shown)  # What the console shows.
        (site.asterisk / file).write_text("[general]\nenabled = no\nbindaddr = 127.0.0.1\n;enabled = yes\n")
        site.effects[f"asterisk {reload}"] = lambda: listen(site)

    def listen(site: BrokenSite) -> None:
        lines = (site.asterisk / file).read_text().splitlines()
        assert lines == ["[general]", "enabled = yes", "bindaddr = 127.0.0.1", ";enabled = yes"]
        site.write_config(**{section: {"port": port(site)}})

    return damage


def write_ami_secret(site: BrokenSite, secret: str) -> None:
    file = site.data / "state" / "ami-secret"
    file.write_text(secret)
    file.chmod(0o600)
    if IS_ROOT:
        os.chown(file, SERVICE_USER, SERVICE_GROUP)


def ami_secret_differs(site: BrokenSite) -> None:
    """The service has the secret that `ivr install` once wrote, and Asterisk another one."""
    write_ami_secret(site, "former")
    site.write_config(ami={"secret": ""})
    site.effects["ivr install"] = lambda: write_ami_secret(site, "word")


def ami_not_configured(site: BrokenSite) -> None:
    site.write_config(ami={"secret": ""})
    site.effects["ivr install"] = lambda: write_ami_secret(site, "word")


def show(site: BrokenSite, name: str, text: str) -> None:
    """Let the console show this of the manager or the HTTP server."""
    (site.asterisk / name).write_text(text)


def show_http_port(site: BrokenSite) -> None:
    show(site, "http", f"Server Enabled and Bound to 127.0.0.1:{site.service.rest.server_address[1]}\n")


MANAGER = "manager reload", lambda site: site.service.ami.port
HTTP = "module reload http", lambda site: site.service.rest.server_address[1]
"""What makes each read its settings, and where it listens then."""

CASES: dict[str, Case] = {
    # -- Asterisk
    "Asterisk stopped": Case(stop_asterisk, "asterisk", "its console does not reply"),
    "Asterisk too old": Case(
        all_of(
            write("asterisk/version", "Asterisk 18.10.0 built by x\n"),
            after("apt install asterisk/forky", write("asterisk/version", "Asterisk 22.10.1 built by x\n")),
        ),
        "asterisk",
        "Asterisk 18.10.0",
        {"SUITE": "forky"},
    ),
    "modules missing": Case(remove_module, "modules", "not running: res_speech, app_record"),
    "dialplan not included": Case(dialplan_not_included, "dialplan", "the context ivr-check does not exist"),
    "secret differs": Case(set_global("IVR_SECRET", "wrong"), "secret", "differs between Asterisk and the service"),
    "secret missing in Asterisk": Case(remove_global("IVR_SECRET"), "secret", "Asterisk has no IVR_SECRET"),
    "dialplan calls another port": Case(
        set_global("IVR_FASTAGI_ADDRESS", "127.0.0.1:4000"), "dialplan", "it calls the service at 127.0.0.1:4000"
    ),
    "dialplan records elsewhere": Case(
        set_global("IVR_TAKES_FOLDER", "/tmp/takes"), "dialplan", "where the service finds nothing"
    ),
    "dialplan of another version": Case(
        earlier_dialplan,
        "dialplan version",
        "dialplan is of ivr 0.0.9",
    ),
    "account of the dialplan unknown": Case(set_global("IVR_ACCOUNT", "acme"), "account", "no account has this name"),
    "number passed on as it is dialled": Case(open_line, "arguments", "passes ${EXTEN:1} on as it comes"),
    "phone unknown to Asterisk": Case(other_endpoint("bob-desk", 3), "endpoints", "has no PJSIP endpoint alice-desk"),
    "phone without authentication": Case(
        all_of(other_endpoint("alice-desk", 1), configure_phone),
        "endpoints",
        "alice-desk does not authenticate",
        {"PASSWORD": "8f31c2"},
    ),
    "context open to any number": Case(
        all_of(set_config("voicemail", callback_context="out"), write("asterisk/contexts/out", OPEN_CONTEXT)),
        "contexts",
        "callers can dial any number",
    ),
    "context with a million numbers": Case(
        all_of(set_config("voicemail", callback_context="out"), write("asterisk/contexts/out", WIDE_CONTEXT)),
        "contexts",
        "a million numbers or more can be dialled",
    ),
    "context missing": Case(
        set_config("voicemail", operator_context="desk"),
        "contexts",
        "the dialplan has no context desk",
    ),
    "context of an account missing": Case(
        change_row("UPDATE accounts SET settings = json_set(settings, '$.operator_context', 'desk')"),
        "contexts",
        "account demo, operator_context",
    ),
    "AMI secret wrong": Case(
        all_of(set_config("ami", secret="wrong"), after("ivr install", lambda site: write_ami_secret(site, "word"))),
        "AMI",
        "rejects the user",
    ),
    "AMI secret of another user wrong": Case(
        set_config("ami", user="manager", secret="wrong"),
        "AMI",
        "rejects the user",
        typed="s/wrong/word/; s/manager/ivr/",
    ),
    "AMI port closed": Case(switch_off("ami", "manager.conf", "", *MANAGER), "AMI", "no connection to"),
    "AMI not configured": Case(ami_not_configured, "AMI", "phones have no message lights"),
    "data folder not readable by Asterisk": Case(
        asterisk_cannot("read", "ivr install"),
        "asterisk's rights",
        "plays neither prompts nor messages",
    ),
    "takes not writable by Asterisk": Case(
        asterisk_cannot("write", "ivr install"), "asterisk's rights", "callers cannot leave messages"
    ),
    "recordings of Asterisk not readable": Case(
        asterisk_cannot("convert", "asterisk module load res_convert.so"), "asterisk's rights", "could not be tested"
    ),
    "AMI secret differs": Case(ami_secret_differs, "AMI", "rejects the user"),
    "AMI switched off": Case(
        switch_off(
            "ami",
            "manager.conf",
            "  Manager (AMI):             No\n  TCP Bindaddress:           Disabled\n",
            *MANAGER,
        ),
        "AMI",
        "it is switched off in manager.conf",
    ),
    "AMI at another port": Case(
        all_of(
            set_config("ami", port=9),
            lambda site: show(site, "manager", f"  TCP Bindaddress:           127.0.0.1:{site.service.ami.port}\n"),
        ),
        "AMI",
        "Asterisk listens at 127.0.0.1:",
    ),
    "AMI is another program": Case(
        all_of(
            lambda site: site.write_config(ami={"port": site.sections["fastagi"]["port"]}),
            lambda site: show(site, "manager", f"  TCP Bindaddress:           127.0.0.1:{site.service.ami.port}\n"),
        ),
        "AMI",
        "is not Asterisk's manager",
    ),
    "ARI switched off": Case(
        switch_off(
            "ari",
            "http.conf",
            "HTTP Server Status:\nServer Disabled\n",
            *HTTP,
        ),
        "ARI",
        "it is switched off in http.conf",
    ),
    "ARI at another port": Case(
        all_of(
            set_config("ari", password="x", port=9),
            show_http_port,
        ),
        "ARI",
        "Asterisk listens at 127.0.0.1:",
    ),
    "ARI port closed": Case(switch_off("ari", "http.conf", "", *HTTP), "ARI", "no connection to"),
    "ARI is another program": Case(
        all_of(
            lambda site: site.write_config(ari={"password": "x", "port": site.sections["fastagi"]["port"]}),
            show_http_port,
        ),
        "ARI",
        "is not Asterisk's HTTP server",
    ),
}
