"""The dialplan and the code name the same things: paths, arguments, variables, prompts, contexts."""

from __future__ import annotations

import re
from pathlib import Path

from ivr.call import names
from ivr.call.arguments import ACTIONS, NAMES
from ivr.call.ari.errand import CONTEXT, Verb
from ivr.mailbox.alone import NAME
from ivr.menus.outcome import VM_STATUS
from ivr.prompts.catalogue import Catalogue

ROOT = Path(__file__).parents[2]
CONF = ROOT / "asterisk-conf"
FILES = sorted(CONF.glob("extensions*.conf"))
LINES = [line for file in FILES for line in file.read_text().splitlines() if line.strip() and not line.startswith(";")]
TEXT = "\n".join(LINES)
SAMPLES = "\n".join(file.read_text() for file in FILES)
"""With the comments, which show the lines of a site."""


def test_every_file_is_taken_in_by_the_one_line_of_a_site() -> None:
    taken_in = re.findall(r'^#include "ivr/([\w.-]+)"', (CONF / "extensions.conf").read_text(), re.MULTILINE)
    assert {file.name for file in FILES} == {"extensions.conf", *taken_in}


def test_every_path_of_an_agi_url_is_one_of_ours() -> None:
    paths = re.findall(r"agi://\$\{IVR_HOST\}/(\w+)", TEXT)
    assert paths
    assert paths == re.findall(r"AGI\(\$\{IVR_AGI\},(\w+),account=", TEXT)
    assert {*paths} <= ACTIONS.keys()


def test_every_door_over_ari_is_one_of_ours() -> None:
    doors = re.findall(r"Gosub\(ivr-ari,s,1\((\w+),", TEXT)
    assert sorted(doors) == ["check", "leave"]
    text = (CONF / "extensions-ari.conf").read_text()
    assert f"\n[{CONTEXT}]\n" in text
    assert sorted(re.findall(r"^exten => _(\w+)~\.,1,", text, re.MULTILINE)) == sorted(Verb)


def test_every_argument_is_one_of_ours() -> None:
    given = {
        name
        for call in re.findall(r"(?:AGI\(agi:|Gosub\(ivr-(?:check|leave|ari),s,1\().*", SAMPLES)
        for name in re.findall(r"[,(](\w+)=", call)
    }
    assert {"number", "reason", "greeting", "options", "exit_context", "watchdog", "account"} <= given
    assert given <= {*NAMES}


def test_every_global_that_is_read_is_set_and_told() -> None:
    """Those with an office's name in them are set for the office of the sample."""
    head = (CONF / "extensions.conf").read_text()
    known = {*re.findall(r"^(IVR_\w+) =>", head, re.MULTILINE), "IVR_SECRET"}
    read = {name.replace("${ARG1}", "office").replace("${IVRN}", "1") for name in re.findall(
        r"\$\{(IVR_(?:\w|\$\{\w+\})+)\}", TEXT)}  # fmt: skip
    of_the_call = {"IVR_EXITCONTEXT", "IVR_QUEUE_BOX", "IVR_MENU_BOX"}
    assert read - of_the_call <= known
    told = (ROOT / "docs" / "dialplan.md").read_text()
    assert [name for name in sorted(known | of_the_call) if f"`{name}`" not in told] == []


def test_what_the_service_tells_the_dialplan_is_what_the_dialplan_looks_at() -> None:
    for name in (
        names.STATUS_VARIABLE,
        names.TAKE_VARIABLE,
        names.FRAME_VARIABLE,
        "IVRMESSAGE",
        "IVRLISTENS",
        "VMSTATUS",
    ):
        assert f"${{{name}}}" in TEXT or f"({name})" in TEXT, name
    assert {*VM_STATUS.values()} <= {"SUCCESS", "USEREXIT", "FAILED"}


def test_every_prompt_that_the_dialplan_plays_exists() -> None:
    catalogue = Catalogue.load(ROOT / "sounds" / "en")
    played = {*re.findall(r"\$\{IVR_SOUNDS\}/(\w+/[\w-]+)", TEXT)}
    assert len(played) >= 5
    assert {prompt for prompt in played if prompt not in catalogue} == set()


def test_every_subroutine_that_is_called_is_there_and_says_that_it_is_one() -> None:
    contexts = {*re.findall(r"^\[(ivr-[\w-]+)\]", TEXT, re.MULTILINE)}
    called = {*re.findall(r"(?:Gosub\(|include => )(ivr-[\w-]+)", SAMPLES)}
    assert called <= contexts | {"ivr-phones"}


def test_the_name_of_what_the_dialplan_records_is_one_that_is_adopted() -> None:
    """`alone-` and five parts, of which the last two are the time and the call."""
    [pattern] = re.findall(r"Set\(LOCAL\(IVRFILE\)=(.*)\)$", TEXT, re.MULTILINE)
    filled = re.sub(r"\$\{IF\(.*?\}\)\}", "p001", pattern)
    for name, value in {"IVROF": "acme", "IVRBOX": "1000", "EPOCH": "1795614742", "IVRCALL": "1795614731_2"}.items():
        filled = filled.replace(f"${{{name}}}", value)
    assert NAME.fullmatch(f"{filled}.wav"), filled


def test_nothing_here_lets_a_caller_dial_whatever_they_like() -> None:
    """Toll fraud: no pattern without an end, but for what follows *98, which goes into an argument and nowhere else,
    and for the errands of the service, in a context that nothing takes in."""
    open_patterns = [
        line for line in LINES if re.match(r"exten => _[^,]*[.!],", line) and not re.match(r"exten => _[a-z]+~\.", line)
    ]
    assert "include => ivr-ari" not in SAMPLES
    assert [line.split(",")[0] for line in open_patterns] == ["exten => _*98X!"]
    assert all("FILTER(0-9," in line for line in open_patterns)
    samples = re.findall(r"^; +exten => (_[^,]*),", SAMPLES, re.MULTILINE)
    assert samples
    assert not [pattern for pattern in samples if pattern.endswith((".", "!"))]
