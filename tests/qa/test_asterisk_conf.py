"""The dialplan and the code name the same things: paths, arguments, variables, prompts, contexts."""

from __future__ import annotations

import re
from pathlib import Path

from ivr import __version__
from ivr.call import incoming
from ivr.call.arguments import ACTIONS_BY_PATH, ARGUMENT_NAMES, DIALPLAN_REQUESTS
from ivr.call.ari.channel import DIALPLAN_CONTEXT, Verb
from ivr.menus.dialplan_status import VM_STATUS
from ivr.prompts.catalogue import Catalogue
from ivr.recovery.fallback_recordings import FILE_NAME_PATTERN

ROOT = Path(__file__).parents[2]
REQUESTED = "${ARG1}"
"""The path of `ivr-request`, which each request of a dialplan names."""
CONF = ROOT / "asterisk-conf"
FILES = sorted(CONF.glob("extensions*.conf"))
LINES = [line for file in FILES for line in file.read_text().splitlines() if line.strip() and not line.startswith(";")]
TEXT = "\n".join(LINES)
FREEPBX_FILE = "extensions_override_freepbx.conf"
"""Included by a line of the site's file of that name, only where there is a FreePBX."""
SAMPLES = "\n".join(file.read_text() for file in FILES)
"""With the comments, which show the lines of a site."""


def test_every_conf_file_is_included_by_one_line() -> None:
    taken_in = re.findall(r'^#include "ivr/([\w.-]+)"', (CONF / "extensions.conf").read_text(), re.MULTILINE)
    assert {file.name for file in FILES} == {"extensions.conf", FREEPBX_FILE, *taken_in}


def test_accounts_for_this_machine_only_admit_neither_ipv4_nor_ipv6_of_others() -> None:
    """A rule of one family says nothing about addresses of the other, and what no rule names may connect."""
    limited = {file.name: file.read_text() for file in CONF.glob("*.conf") if "\ndeny = " in file.read_text()}
    assert {"ari.conf", "manager.conf"} <= limited.keys()
    for name, text in limited.items():
        rules = re.findall(r"^(?:deny|permit) = .*$", text, re.MULTILINE)
        assert rules == [
            "deny = 0.0.0.0/0.0.0.0",
            "deny = ::/0",
            "permit = 127.0.0.1/255.255.255.255",
            "permit = ::1/128",
        ], name


def test_every_agi_path_is_known() -> None:
    paths = re.findall(r"agi://\$\{IVR_FASTAGI_ADDRESS\}/([^,]+),", TEXT)
    assert paths == ["check", "leave", REQUESTED]
    assert paths == re.findall(r"AGI\(\$\{IVR_AGI_PROGRAM\},([^,]+),account=", TEXT)
    requests = re.findall(r"Gosub\(ivr-request,s,1\(([\w-]+),", TEXT)
    assert {*requests} == DIALPLAN_REQUESTS
    assert {*requests, "check", "leave"} <= ACTIONS_BY_PATH.keys()


def test_every_ari_action_and_verb_is_known() -> None:
    doors = re.findall(r"Gosub\(ivr-ari,s,1\(([^,]+),", TEXT)
    assert doors == ["check", "leave", REQUESTED]
    text = (CONF / "extensions-ari.conf").read_text()
    assert f"\n[{DIALPLAN_CONTEXT}]\n" in text
    assert sorted(re.findall(r"^exten => _(\w+)~\.,1,", text, re.MULTILINE)) == sorted(Verb)


def test_every_dialplan_argument_is_known() -> None:
    given = {
        name
        for call in re.findall(r"(?:AGI\(agi:|Gosub\(ivr-(?:check|leave|ari|request),s,1\().*", SAMPLES)
        for name in re.findall(r"[,(](\w+)=", call)
    }
    assert {"number", "reason", "greeting", "options", "exit_context", "watchdog", "account"} <= given
    assert given <= {*ARGUMENT_NAMES}


def test_every_global_read_is_set_and_documented() -> None:
    """Variables with an office's name are set for the office of the sample."""
    head = (CONF / "extensions.conf").read_text()
    settings = {*re.findall(r"^(IVR_\w+) =>", head, re.MULTILINE), "IVR_SECRET", "IVR_DIALPLAN_VERSION"}
    read = {
        name.replace("${ARG1}", "office").replace("${IVR_INDEX}", "1")
        for name in re.findall(r"\$\{(IVR_(?:\w|\$\{\w+\})+)\}", TEXT)
    }
    set_by_dialplan = set(re.findall(r"(?:Set\(|LOCAL\(|Read\()(IVR_\w+)", TEXT))
    passed_by_service = {
        "IVR_BOX_ID",
        "IVR_BOX_ACCOUNT_ID",
        "IVR_BOX_NUMBER",
        "IVR_CALL_BACK_CONTEXT",
        "IVR_CALL_BACK_EXTENSION",
    }
    arguments_of_fallback = {f"IVR_ARG_{name}" for name in ARGUMENT_NAMES}
    set_by_site = {"IVR_EXIT_CONTEXT", "IVR_QUEUE_BOX", "IVR_MENU_BOX"}
    set_by_freepbx = {"IVR_RETVM", "IVR_CONTEXT"}
    assert read - set_by_site - set_by_freepbx - set_by_dialplan - passed_by_service - arguments_of_fallback <= settings
    documentation = (ROOT / "docs" / "dialplan.md").read_text()
    assert [name for name in sorted(settings | set_by_site) if f"`{name}`" not in documentation] == []


def test_dialplan_names_its_version_as_a_global_variable() -> None:
    """It stands in front of all contexts, so that it belongs to [globals]; and each call gives it to the service."""
    text = (CONF / "extensions-mailbox.conf").read_text()
    assert f"\nIVR_DIALPLAN_VERSION => {__version__}\n" in text.partition("\n[")[0]
    calls = re.findall(r"(?:AGI\(|Gosub\(ivr-ari).*", TEXT)
    assert len(calls) == 9
    assert all("dialplan=${IVR_DIALPLAN_VERSION}" in call for call in calls)


def test_dialplan_variables_match_code() -> None:
    for name in (
        incoming.STATUS_VARIABLE,
        incoming.TAKE_VARIABLE,
        incoming.GOSUB_FRAME_VARIABLE,
        "IVR_MESSAGE_ID",
        "IVR_OWNER_LOGIN",
        "VMSTATUS",
    ):
        assert f"${{{name}}}" in TEXT or f"({name})" in TEXT, name
    assert {*VM_STATUS.values()} <= {"SUCCESS", "USEREXIT", "FAILED"}


def test_every_prompt_that_the_dialplan_plays_exists() -> None:
    catalogue = Catalogue.load(ROOT / "sounds" / "en")
    played = {*re.findall(r"\$\{IVR_SOUNDS_FOLDER\}/(\w+/[\w-]+)", TEXT)}
    assert len(played) >= 5
    assert {prompt for prompt in played if prompt not in catalogue} == set()


def test_every_subroutine_that_is_called_is_there_and_says_that_it_is_one() -> None:
    contexts = {*re.findall(r"^\[(ivr-[\w-]+)\]", TEXT, re.MULTILINE)}
    called = {*re.findall(r"(?:Gosub\(|include => )(ivr-[\w-]+)", SAMPLES)}
    assert called <= contexts | {"ivr-phones"}


def test_fallback_recording_name_is_parsable() -> None:
    """`fallback-` and five parts, of which the last two are the time and the call."""
    [pattern] = re.findall(r"Set\(LOCAL\(IVR_FALLBACK_FILE\)=(.*)\)$", TEXT, re.MULTILINE)
    filled = re.sub(r"\$\{IF\(.*?\}\)\}", "p001", pattern)
    for name, value in {
        "IVR_BOX_ACCOUNT": "acme",
        "IVR_BOX": "1000",
        "EPOCH": "1795614742",
        "IVR_CALL_ID": "1795614731_2",
    }.items():
        filled = filled.replace(f"${{{name}}}", value)
    assert FILE_NAME_PATTERN.fullmatch(f"{filled}.wav"), filled


def test_sample_dialplan_has_no_unbounded_pattern() -> None:
    """Toll fraud: no pattern without an end, but for what follows *97 and *98, which goes into arguments and nowhere
    else, and for the dialplan actions of the service, in a context that nothing takes in."""
    open_patterns = [
        line for line in LINES if re.match(r"exten => _[^,]*[.!],", line) and not re.match(r"exten => _[a-z]+~\.", line)
    ]
    assert "include => ivr-ari" not in SAMPLES
    assert [line.split(",")[0] for line in open_patterns] == ["exten => _*97X!", "exten => _*98X!", "exten => _*98X!"]
    assert "FILTER(0-9*," in open_patterns[0]
    assert all("FILTER(0-9," in pattern for pattern in open_patterns[1:])
    samples = re.findall(r"^; +exten => (_[^,]*),", SAMPLES, re.MULTILINE)
    assert samples
    assert not [pattern for pattern in samples if pattern.endswith((".", "!"))]
