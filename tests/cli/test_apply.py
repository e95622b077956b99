"""`ivr apply`: people files in CSV and YAML."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpcore
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ivr.call.incoming import endpoint_of
from ivr.imports.box_mapping import map_box
from ivr.imports.pin_mapping import PinRules
from ivr.imports.voicemail_conf import ConfMailbox, VoicemailConf
from ivr.mailbox.box_settings import BoxSettings
from ivr.provisioning import freepbx
from ivr.validation.numbers import is_mwi_mailbox
from tests.cli.conftest import Ivr, parse_json

PEOPLE = """\
name,email,endpoints,mailbox,pin,require_pin,aliases
alice,alice@demo.example,alice-desk alice-mobile,1000,4716,true,2000 2001
bob,bob@demo.example,bob-desk,0042,0815,,
"""
"""Two people with a mailbox each; one number and one PIN begin with 0."""

SITE = """\
accounts:
  - name: acme
    timezone: Europe/Berlin
    settings: {max_message_count: 50}
    users:
      - name: alice
        email: alice@acme.example
        endpoints: [alice-desk, 0815]
        boxes:
          - mailbox: 0042
            pin: 0815
            aliases: [7001, 0099]
            notify: {callback: {number: 0555}}
          - mailbox: 1001
    boxes:
      - mailbox: 1999
        announcement_only: yes
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_file(text: str, name: str = "people.csv") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write_file


@pytest.fixture
def demo(ivr: Ivr) -> Ivr:
    """An installation with an empty account."""
    ivr("account", "create", "demo")
    return ivr


def boxes(ivr: Ivr) -> dict[str, Any]:
    listed = parse_json(ivr("box", "list", "--json"))
    return {box["mailbox"]: parse_json(ivr("box", "show", box["mailbox"], "--json")) for box in listed}


def test_csv_creates_users_phones_boxes_and_pins(demo: Ivr, write: Any) -> None:
    summary = demo("apply", write(PEOPLE)).stdout.splitlines()[-1]
    assert summary == "created: user 2, endpoint 3, box 2, PIN 2; unchanged: 0"
    users = {user["name"]: user for user in parse_json(demo("user", "list", "--json"))}
    assert users["alice"]["email"] == "alice@demo.example"
    phones = {phone["name"]: phone["user"] for phone in parse_json(demo("endpoint", "list", "--json"))}
    assert phones == {"alice-desk": "alice", "alice-mobile": "alice", "bob-desk": "bob"}
    found = boxes(demo)
    assert (found["1000"]["owner_id"], found["1000"]["require_pin"]) == (users["alice"]["id"], True)
    assert found["1000"]["aliases"] == ["2000", "2001"]
    assert (found["0042"]["name"], found["0042"]["has_pin"]) == ("bob", True)


def test_applying_a_file_again_changes_nothing(demo: Ivr, write: Any) -> None:
    file = write(PEOPLE)
    demo("apply", file)
    before = boxes(demo)
    again = demo("apply", file).stdout
    assert again == "unchanged: 4\n"
    assert boxes(demo) == before


def test_file_whose_names_a_mac_wrote_is_about_the_same_people(ivr: Ivr, write: Any) -> None:
    """A program on a Mac writes e and its accent as two characters (NFD)."""
    accounts = "accounts: [{name: Caf\u00e9}]\n"
    people = 'boxes: [{mailbox: "1000", owner: Jos\u00e9}]\nusers: [{name: Jos\u00e9, email: jose@demo.example}]\n'
    ivr("apply", write(accounts + people.replace("\u00e9", "e\u0301"), "people.yaml"))
    assert ivr("apply", write(accounts + people, "people.yaml")).stdout == "unchanged: 2\n"
    assert ivr("apply", write(people, "people.yaml"), "--account", "Cafe\u0301").stdout == "unchanged: 2\n"
    assert parse_json(ivr("user", "show", "Jose\u0301", "--json"))["name"] == "Jos\u00e9"


def test_dry_run_prints_the_changes_and_makes_none(demo: Ivr, write: Any) -> None:
    file = write(PEOPLE)
    shown = demo("apply", "--dry-run", file).stdout
    assert "would create: user 2, endpoint 3, box 2, PIN 2" in shown
    assert "alice-mobile" in shown
    assert boxes(demo) == {}
    demo("apply", file)
    changed = write(PEOPLE.replace("bob@demo.example", "robert@demo.example").replace("true", "false"))
    shown = demo("apply", "--dry-run", changed).stdout
    assert "email: bob@demo.example -> robert@demo.example" in shown
    assert "require_pin: True -> False" in shown
    assert "alice@demo.example" not in shown, "what stays as it is is not listed"
    assert parse_json(demo("user", "show", "bob", "--json"))["email"] == "bob@demo.example"
    assert "changed: box 1, user 1; unchanged: 2" in demo("apply", changed).stdout
    assert parse_json(demo("user", "show", "bob", "--json"))["email"] == "robert@demo.example"


def test_all_errors_are_reported_with_their_lines_and_nothing_is_done(demo: Ivr, write: Any) -> None:
    demo("box", "create", "1005", 'aliases=["1006"]')
    file = write(
        "name,email,mailbox,pin,quota_mb\n"
        "alice,,1000,4716,\n"
        "bob,,1001,12,\n"
        '\n"carol,\nthe second",,1002,,\n'
        "dave,,1003,,many\n"
        "erin,,1006,,\n"
        ",,,,\n"
        "frank,,1000,,\n"
        "grace,grace@a.example,1007,,,surplus\n"
        ",henry@a.example,1008,,\n"
    )
    before = boxes(demo)
    result = demo("apply", file, fails=2)
    errors = dict(line.split(": ", 1) for line in result.stderr.splitlines() if line.startswith(f"{file}:"))
    assert {int(place.rsplit(":", 1)[1]) for place in errors} == {3, 5, 7, 8, 10, 11, 12}
    assert "at least 4 characters" in errors[f"{file}:3"]
    assert "quota_mb" in errors[f"{file}:7"]
    assert "1006 is an alias of box 1005" in errors[f"{file}:8"]
    assert "line 2 says otherwise" in errors[f"{file}:10"]
    assert "6 cells, but 5 columns" in errors[f"{file}:11"]
    assert "fill the column name" in errors[f"{file}:12"]
    assert "7 lines have errors, so nothing is changed: correct the file" in result.stderr
    assert boxes(demo) == before
    assert parse_json(demo("user", "list", "--json")) == []


def test_continue_applies_the_lines_without_error(demo: Ivr, write: Any) -> None:
    file = write("name,mailbox,pin\nalice,1000,4716\nbob,1001,12\n")
    result = demo("apply", "--continue", file, fails=2)
    assert "1 line has an error: the others are applied" in result.stderr
    assert set(boxes(demo)) == {"1000"}
    assert [user["name"] for user in parse_json(demo("user", "list", "--json"))] == ["alice"], "bob's line is skipped"


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("name,emial,mailbox", "unknown column emial: did you mean email?"),
        ("name,mailbox,requier_pin", "unknown column requier_pin: did you mean require_pin?"),
        ("name,user,mailbox", "columns name and user mean the same"),
        ("name,name,mailbox", "column name is there twice"),
        ("mailbox,owner_id", "unknown column owner_id"),
    ],
)
def test_header_that_cannot_be_used_is_an_error(demo: Ivr, write: Any, header: str, error: str) -> None:
    assert error in demo("apply", write(f"{header}\na,b,c\n"), fails=2).stderr
    assert boxes(demo) == {}


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (b"", "people.csv", "the file is empty"),
        (b"name,mailbox\nM\xfcller,1000\n", "people.csv", "line 2 is not UTF-8"),
        (b'name,mailbox\n"alice,1000\n', "people.csv", "is a quote missing?"),
        (b"name,mailbox\n", "people.txt", "must be named .csv, .yaml or .yml"),
        (b"users: [\n", "people.yaml", "line 2 is not YAML"),
        (b"", "people.yaml", "the file is empty"),
        (b"people: []\n", "people.yaml", "unknown key people"),
        (b"- alice\n", "people.yaml", "has no keys"),
    ],
)
def test_file_that_cannot_be_read_is_an_error(demo: Ivr, tmp_path: Path, content: bytes, name: str, error: str) -> None:
    (tmp_path / name).write_bytes(content)
    result = demo("apply", str(tmp_path / name), fails=2)
    assert error in result.stderr
    assert result.stderr.startswith(f"ivr: {tmp_path / name}: ")


def test_missing_file_is_an_error(demo: Ivr, tmp_path: Path) -> None:
    assert "nothing.csv" in demo("apply", str(tmp_path / "nothing.csv"), fails=3).stderr


def test_columns_may_be_separated_by_semicolons_after_a_byte_order_mark(demo: Ivr, write: Any) -> None:
    demo("apply", write("\ufeffName;Mailbox;Box name\nalice;1000;Alice, front desk\n"))
    assert boxes(demo)["1000"]["name"] == "Alice, front desk"


def test_yaml_sets_up_an_installation_in_one_step(ivr: Ivr, write: Any, tmp_path: Path) -> None:
    file = write(SITE, "site.yaml")
    ivr("apply", "--dry-run", file, fails=3)
    assert not (tmp_path / "data").exists(), "a dry run creates no data folder"
    ivr("apply", file)
    account = parse_json(ivr("account", "show", "acme", "--json"))
    assert (account["timezone"], account["settings"]) == ("Europe/Berlin", {"max_message_count": 50})
    found = boxes(ivr)
    assert set(found) == {"0042", "1001", "1999"}
    assert found["0042"]["aliases"] == ["7001", "0099"]
    assert found["0042"]["notify"]["callback"]["number"] == "0555"
    assert (
        found["0042"]["owner_id"]
        == found["1001"]["owner_id"]
        == parse_json(ivr("user", "show", "alice", "--json"))["id"]
    )
    assert (found["1999"]["announcement_only"], found["1999"].get("owner_id")) == (True, None)
    assert {phone["name"] for phone in parse_json(ivr("endpoint", "list", "--json"))} == {"alice-desk", "0815"}
    assert ivr("apply", file).stdout == "unchanged: 4\n"


def test_errors_of_yaml_name_the_line_of_the_entry(demo: Ivr, write: Any) -> None:
    file = write(
        "users:\n"
        "  - name: alice\n"
        "    emial: a@a.example\n"
        "  - name: bob\n"
        "    boxes:\n"
        "      - mailbox: 1000\n"
        "        quota_mb: -1\n"
        "      - pin: 4716\n"
        "boxes:\n"
        "  - mailbox: 1001\n"
        "    owner: bbo\n",
        "people.yaml",
    )
    errors = demo("apply", file, fails=2).stderr
    for text in (
        ":2: unknown key emial: did you mean email?",
        ":6: quota_mb: Value must be at least 0",
        ":8: the mailbox has no number",
        ":10: there is no user 'bbo': did you mean bob?",
    ):
        assert f"{file}{text}" in errors
    assert boxes(demo) == {}


def test_pin_that_an_owner_has_changed_is_kept(demo: Ivr, write: Any) -> None:
    file = write("name,mailbox,pin\nalice,1000,4716\n")
    demo("apply", file)
    demo("box", "pin", "1000", given="739104\n")
    again = demo("apply", file).stdout
    assert "keep" in again
    assert "--reset-pins" in again
    assert "changed: PIN 1" in demo("apply", "--reset-pins", file).stdout
    assert demo("apply", "--reset-pins", file).stdout == "unchanged: 2\n"
    assert "4716" not in again


def test_generated_pins_are_printed_once(demo: Ivr, write: Any) -> None:
    file = write("mailbox,pin\n1000,generate\n1001,generate\n")
    result = parse_json(demo("apply", file, "--json"))
    pins = [one["pin"] for one in result["generated_pins"]]
    assert [len(pin) for pin in pins] == [6, 6]
    demo("apply", write(f"mailbox,pin\n1000,{pins[0]}\n1001,{pins[1]}\n"), "--reset-pins")
    assert demo("apply", file, "--reset-pins").stdout == "unchanged: 2\n"


def test_easy_pin_is_a_warning_until_the_box_is_set_up(demo: Ivr, write: Any) -> None:
    assert "easy to guess" in demo("apply", write("mailbox,pin\n1000,1234\n")).stderr
    assert "too easy" in demo("apply", write("mailbox,pin,is_setup\n1001,1234,true\n"), fails=2).stderr


def test_phone_and_box_move_to_the_user_that_the_file_names(demo: Ivr, write: Any) -> None:
    demo("apply", write("name,endpoint,mailbox\nalice,desk,1000\n"))
    shown = demo("apply", write("name,endpoint,mailbox\nbob,desk,1000\n")).stdout
    assert "user: alice -> bob" in shown
    assert "owner: alice -> bob" in shown
    [phone] = parse_json(demo("endpoint", "list", "--json"))
    assert phone["user"] == "bob"
    assert boxes(demo)["1000"]["owner_id"] == parse_json(demo("user", "show", "bob", "--json"))["id"]


def test_unknown_account_is_an_error_with_suggestion(demo: Ivr, write: Any) -> None:
    error = demo("apply", write("account,mailbox\ndmeo,1000\n"), fails=2).stderr
    assert ":2: there is no account 'dmeo': did you mean demo?" in error
    demo("account", "create", "other")
    assert "several accounts" in demo("apply", write("mailbox\n1000\n"), fails=2).stderr
    demo("apply", write("mailbox\n1000\n"), "--account", "other")
    assert parse_json(demo("box", "list", "--account", "other", "--json"))[0]["mailbox"] == "1000"


FREEPBX = """\
extension,password,name,voicemail,tech,secret,voicemail_enable,voicemail_vmpwd,voicemail_email,voicemail_pager,\
voicemail_options,voicemail_same_exten,disable_star_voicemail,vmx_unavail_enabled
1001,,"O'Brien, Pat",default,pjsip,S3cret,YES,4471,pat@demo.example,,attach=no|saycid=yes|envelope=no|delete=yes,yes,yes
1002,,Lobby,novm,sip,S3cret,,,,,,,,
1003,,Lobby,default,pjsip,S3cret,yes,8316,"sales@demo.example,boss@demo.example",555,attach=yes|volgain=2,no,no,
"""


def test_columns_of_the_freepbx_bulk_handler_are_recognised(demo: Ivr, write: Any) -> None:
    result = demo("apply", write(FREEPBX))
    users = {user["name"]: user for user in parse_json(demo("user", "list", "--json"))}
    assert set(users) == {"O Brien Pat 1001", "Lobby 1002", "Lobby 1003"}
    pat = users["O Brien Pat 1001"]
    assert (pat["email"], pat["settings"]["first_name"]) == ("pat@demo.example", "O'Brien, Pat")
    found = boxes(demo)
    assert set(found) == {"1001", "1003"}
    box = found["1001"]
    assert (box["name"], box["owner_id"], box["has_pin"]) == ("O'Brien, Pat", pat["id"], True)
    assert (box["include_message_on_notify"], box["skip_envelope"], box["delete_after_notify"]) == (False, False, True)
    assert (box["envelope_type"], box["require_pin"], box["keys"]) == ("caller_and_time", True, {"login": ""})
    assert found["1003"]["notify_email_addresses"] == ["boss@demo.example"]
    assert found["1003"]["require_pin"] is False
    assert [phone["name"] for phone in parse_json(demo("endpoint", "list", "--json"))] == ["1001", "1003"]
    for note in (
        ":2: saycid without envelope",
        ":3: tech sip",
        ":3: no voicemail",
        ":4: voicemail_pager",
        ":4: voicemail_options volgain=2",
    ):
        assert note in result.stderr
    assert "S3cret" not in result.output + str(found) + str(users)
    demo("apply", write(FREEPBX.replace("O'Brien, Pat", "Pat Smith")))
    assert parse_json(demo("user", "show", "Pat Smith 1001", "--json"))["id"] == pat["id"], "renamed, not created anew"


@pytest.mark.parametrize(
    ("options", "envelope"),
    [
        ("saycid=yes|envelope=no", ("caller_and_time", "play_before")),
        ("saycid=yes|envelope=yes", ("caller_and_time", "play_before")),
        ("saycid=no|envelope=no", ("default", "skip")),
        ("envelope=no", ("default", "skip")),
        ("saycid=yes", ("caller_and_time", "play_before")),
        ("saycid=no|envelope=yes", ("default", "play_before")),
    ],
)
def test_bulk_handler_and_import_say_the_same_of_the_envelope(options: str, envelope: tuple[str, str]) -> None:
    row, _ = freepbx.parse_row(2, {"extension": "1001", "voicemail_options": options})
    own = dict(option.split("=") for option in options.split("|"))
    box = ConfMailbox("1001", "default", "4471", "Pat", (), "", own, own)
    rules = PinRules(short="new", weak="keep", min_length=4, max_length=6)
    imported = map_box(box, VoicemailConf(), "demo", rules).row
    assert row.box
    assert imported.box
    for fields in ({"name": "Pat", "play_envelope_action": "play_before", **row.box.fields}, imported.box.fields):
        settings = BoxSettings.model_validate({"id": "1" * 32, "mailbox": "1001", **fields})
        assert (settings.envelope_type, settings.envelope_placement) == envelope, fields


def test_what_the_bulk_handler_says_of_voicemail_is_taken_or_named() -> None:
    cells = {
        "extension": "1001", "name": "Pat", "voicemail_pager": "pager@demo.example", "voicemail_colour": "green",
        "voicemail_options": "review=no|moveheard=0|leaveurgent=off|hidefromdir=1|maxmsg=20|sayduration=no",
        "vmx_unavail_enabled": "blocked", "vmx_busy_enabled": "enabled", "vmx_option_1_number": "5551",
    }  # fmt: skip
    row, notes = freepbx.parse_row(2, cells)
    assert row.box
    assert row.box.fields == {
        "name": "Pat", "short_mail_addresses": ["pager@demo.example"], "review": False, "after_heard": "keep",
        "callers_may_mark_urgent": False, "in_directory": False,
    }  # fmt: skip
    assert notes == [
        "vmx_busy_enabled, vmx_option_1_number: the VmX Locater stays in Asterisk's database (docs/moving-in.md)",
        "voicemail_colour green: has no equivalent",
        "voicemail_options maxmsg=20: is not taken from this file; 'ivr import freepbx' may",
    ]
    _, notes = freepbx.parse_row(2, {"extension": "1001", "voicemail_pager": "555"})
    assert notes == ["voicemail_pager 555: short mails go to mail addresses only"]


def test_progress_bar_is_shown_on_a_terminal_only(demo: Ivr, write: Any) -> None:
    file = write(PEOPLE)
    command = [sys.executable, "-m", "ivr", "apply", "--dry-run", file]
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, stderr=terminal, stdout=subprocess.PIPE, env=environment)
    output, _ = process.communicate()
    os.close(terminal)
    shown = b""
    while select.select([controller], [], [], 0)[0]:
        try:
            shown += os.read(controller, 65_536)
        except OSError:
            break
    os.close(controller)
    assert b"2/2" in shown
    assert b"would create" in output


NAMES = st.from_regex(r"[a-zA-Z0-9._@+*/-]{1,12}", fullmatch=True)
VALUES = {
    "realm": NAMES
    | st.sampled_from([" acme.example ", "a..b", "-a", "a.", "acme example", "bücher.example", "x" * 81]),
    "webhook": st.from_regex(r"(https?|ftp)://8\.8\.8\.8(:[0-9]{1,5})?(/[!-~ ü]{0,6})?", fullmatch=True)
    | st.sampled_from(["8.8.8.8/hook", " http://8.8.8.8/ ", "http://10.0.0.1/", "http://[::1]/", "null/", "[5]", "5"]),
    "phone": NAMES | st.sampled_from([" alice-desk ", "PJSIP/alice", "alice@pbx", "alice desk", "ä", "0042", "x" * 41]),
}


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # Each example runs eight commands: there is no time to shrink one.
)
@given(data=st.data(), kind=st.sampled_from(sorted(VALUES)))
def test_realm_webhook_and_phone_are_accepted_alike_by_command_and_file(
    ivr: Ivr, tmp_path: Path, data: st.DataObject, kind: str
) -> None:
    """And what is accepted is usable: as the name of a light, of a channel, and as the URL of a request."""
    text = data.draw(VALUES[kind])
    if not (tmp_path / "data").exists():
        ivr("account", "create", "demo")
        ivr("user", "create", "alice")
    quoted = json.dumps(text, ensure_ascii=False)
    command, entry, reset = {
        "realm": (["account", "set", "demo", f"realm={text}"], f"realm: {quoted}", ["realm=demo"]),
        "webhook": (
            ["account", "set", "demo", f"settings.webhook.url={text}"],
            f"settings: {{webhook: {{url: {quoted}}}}}",
            ["settings.webhook=null"],
        ),
        "phone": (["endpoint", "add", "--", text, "alice"], f"users: [{{name: alice, endpoints: [{quoted}]}}]", []),
    }[kind]

    def take() -> str:
        """Return what is stored, and remove it; "" if nothing is."""
        [account] = parse_json(ivr("account", "list", "--json"))
        if kind == "phone":
            stored = "".join(phone["name"] for phone in parse_json(ivr("endpoint", "list", "--json")))
            if stored:
                ivr("endpoint", "remove", "--yes", "--", stored)
            return stored
        document = parse_json(ivr("account", "show", account["name"], "--json"))
        ivr("account", "set", "demo", *reset)
        return str(document["realm"] if kind == "realm" else document["settings"].get("webhook", {}).get("url") or "")

    accepted = run_either_way(ivr, *command)
    by_command = take() if accepted else take() and ""
    (tmp_path / "site.yaml").write_text(f"accounts: [{{name: demo, {entry}}}]")
    accepted = run_either_way(ivr, "apply", str(tmp_path / "site.yaml"))
    by_file = take() if accepted else take() and ""
    assert by_file == by_command
    if by_command and kind == "realm":
        assert is_mwi_mailbox(f"1000@{by_command}")
    elif by_command and kind == "phone":
        assert is_mwi_mailbox(f"{by_command}@ivr-phones")
        assert endpoint_of(f"PJSIP/{by_command}-0000002a") == by_command
    elif by_command:
        assert httpcore.URL(by_command).host == b"8.8.8.8"


def run_either_way(ivr: Ivr, *words: str) -> bool:
    """Run a command that may be refused, with a word about the reason; return whether it was accepted."""
    try:
        ivr(*words)
    except AssertionError:
        refused = ivr(*words, fails=2)
        assert "ivr: " in refused.output or "has an error" in refused.output
        return False
    return True


def test_phone_that_cannot_exist_and_phone_named_twice_are_told_in_a_people_file(ivr: Ivr, write: Any) -> None:
    """They ended in a traceback, and in a file that could be applied only once."""
    ivr("account", "create", "demo")
    refused = ivr("apply", write("name,endpoints\nalice,PJSIP/alice\n"), fails=2)
    assert "use the name in [ ] of pjsip.conf" in refused.output
    for _ in range(2):
        ivr("apply", write('users: [{name: bob, endpoints: [" bob-desk ", bob-desk]}]', "site.yaml"))
    assert [phone["name"] for phone in parse_json(ivr("endpoint", "list", "--json"))] == ["bob-desk"]
