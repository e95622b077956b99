"""Messages over REST: lists, single messages, bulk changes (EP07, EP08, EP11 to EP16, EP18 to EP22)."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.storage.records import GREGORIAN_OFFSET_S, Caller, Folder, Message
from tests.api.conftest import RestClient, serve_client
from tests.support.app_fixture import NOON, AppFixture
from tests.support.scripted_call import Press

MISSING = "201605-" + "0" * 32


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


def ids(envelope: dict[str, Any]) -> list[str]:
    return [line["media_id"] for line in envelope["data"]]


@pytest.mark.both_engines
async def test_message_left_by_phone_is_listed_at_once(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=3.14, caller="1001")
    [line] = (await rest.request_ok("GET", f"/{box.id}/messages"))["data"]
    assert line == {
        "timestamp": message.time + GREGORIAN_OFFSET_S, "from": "1001@demo.example", "to": "1000@demo.example",
        "caller_id_number": "1001", "caller_id_name": "", "call_id": "", "folder": "new", "length": 3140,
        "media_id": message.id,
    }  # fmt: skip
    assert (await rest.request_ok("GET", f"/{box.id}/messages/{message.id}"))["data"] == line


async def test_messages_of_all_boxes_are_listed_under_their_box(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    other = await app.create_box("1001")
    old, young = await app.create_message(box, age_s=100), await app.create_message(other, age_s=10)
    listed = await rest.request_ok("GET", "/messages")
    assert [(next(iter(line)), next(iter(line.values()))["media_id"]) for line in listed["data"]] == [
        (other.id, young.id),
        (box.id, old.id),
    ]


async def test_paging_is_stable_when_messages_arrive(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    sent = [await app.create_message(box, age_s=100 + n, s=0.1) for n in range(7)]
    first = await rest.request_ok("GET", f"/{box.id}/messages?page_size=3")
    await app.create_message(box, age_s=1, s=0.1)
    await app.container.messages.soft_delete(box.id, [sent[2].id])
    second = await rest.request_ok("GET", f"/{box.id}/messages?page_size=3&start_key={first['next_start_key']}")
    third = await rest.request_ok("GET", f"/{box.id}/messages?page_size=3&start_key={second['next_start_key']}")
    assert ids(first) + ids(second) + ids(third) == [m.id for m in sent]
    assert [page["page_size"] for page in (first, second, third)] == [3, 3, 1]
    assert second["start_key"] == first["next_start_key"]
    assert "next_start_key" not in third


async def test_paging_within_same_second_neither_skips_nor_repeats(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    sent = {(await app.create_message(box, age_s=50, s=0.1)).id for _ in range(9)}
    for order in ("", "&ascending=true"):
        found: list[str] = []
        key = ""
        while True:
            page = await rest.request_ok("GET", f"/{box.id}/messages?page_size=2{order}{key}")
            found += ids(page)
            if "next_start_key" not in page:
                break
            key = f"&start_key={page['next_start_key']}"
        assert (len(found), set(found)) == (9, sent)


async def test_pages_are_filled_across_months_and_filters(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    """A case of Kazoo's tests: 13 messages in two months, 7 of them saved; the other 6 fill pages of 5 and 1."""
    for n in range(13):
        await app.create_message(box, age_s=n * 5 * DAY_S, folder="saved" if n % 2 == 0 else "new", s=0.1)
    first = await rest.request_ok("GET", f"/{box.id}/messages?page_size=5&filter_not_folder=saved")
    second = await rest.request_ok(
        "GET", f"/{box.id}/messages?page_size=5&filter_not_folder=saved&start_key={first['next_start_key']}"
    )
    assert (first["page_size"], second["page_size"]) == (5, 1)
    assert len({line["media_id"][:6] for line in first["data"] + second["data"]}) > 1


async def test_filters_narrow_a_list_together(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    a = await app.create_message(box, caller="1", folder="new", age_s=4)
    b = await app.create_message(box, caller="2", folder="new", age_s=3)
    c = await app.create_message(box, caller="1", folder="saved", age_s=2)

    async def found(query: str) -> list[str]:
        return ids(await rest.request_ok("GET", f"/{box.id}/messages?{query}"))

    assert await found("filter_folder=new") == [b.id, a.id]
    assert await found("filter_caller_id_number=1") == [c.id, a.id]
    assert await found("filter_caller_id_number=1&filter_folder=new") == [a.id]
    assert await found('filter_folder=["saved","deleted"]') == [c.id]
    assert await found("filter_not_caller_id_number=1") == [b.id]
    assert await found("filter_length=5000") == [c.id, b.id, a.id]
    assert await found("has_key=transcribed") == []
    assert await found("key_missing=transcribed&filter_folder=saved") == [c.id]
    assert await found("has_value=caller_id_name") == []
    assert await found("value_missing=caller_id_name&filter_caller_id_number=2") == [b.id]
    assert await found("folder=saved") == [c.id]
    assert await found('filter_any_folder=["saved","deleted"]') == [c.id]
    assert await found('filter_none_folder=["saved","deleted"]') == [b.id, a.id]
    assert await found("search=1") == [c.id, a.id]
    assert await found("search=1&folder=new") == [a.id]
    assert await found("search=%22*%00(&folder=new") == []
    await rest.request_error(400, "GET", f"/{box.id}/messages?search={'x' * 201}")
    await rest.request_error(400, "DELETE", f"/{box.id}/messages?search=1")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("filter_fodler=new", "filter_fodler"),
        ("filter_nto_folder=new", "filter_nto_folder"),
        ("filter_=new", "filter_"),
        ("filter_any_folder=new", "filter_any_folder"),
        ('filter_array_intersect_all_flags=["a"]', "filter_array_intersect_all_flags"),
        ("has_key=transcription", "has_key"),
        ("has_value=", "has_value"),
        ("folder=unread", "folder"),
        ("filter_folder=New", "filter_folder"),
        ("filter_not_folder=", "filter_not_folder"),
        ('filter_any_folder=["new","trash"]', "filter_any_folder"),
        ('filter_array_intersect_any_folder=["new"]', "filter_array_intersect_any_folder"),
        ("folder=new&folder=saved", "folder"),
        ("created_from=1&created_from=2", "created_from"),
    ],
)
async def test_unknown_filter_is_rejected_and_deletes_nothing(
    rest: RestClient, app: AppFixture, box: Mailbox, query: str, parameter: str
) -> None:
    await app.create_message(box)
    for method in ("GET", "DELETE"):
        assert parameter in (await rest.request_error(400, method, f"/{box.id}/messages?{query}"))["data"]
    assert len(await app.messages(box)) == 1


@pytest.mark.parametrize("query", ["folders=saved", "filters_folder=saved", "message=1", "Folder=saved"])
async def test_unknown_parameter_of_delete_deletes_nothing(
    rest: RestClient, app: AppFixture, box: Mailbox, query: str
) -> None:
    await app.create_message(box)
    envelope = await rest.request_error(400, "DELETE", f"/{box.id}/messages?{query}")
    known = envelope["data"][query.partition("=")[0]]["enum"]["target"]
    assert "folder" in known or "filter_KEY" in known
    assert len(await app.messages(box)) == 1


@pytest.mark.parametrize(
    ("query", "data", "member"),
    [
        ("", {"messages": ["202601-" + "0" * 32]}, "messages"),
        ("", {"media_id": "202601-" + "0" * 32}, "media_id"),
        ("", {"folder": "saved"}, "folder"),
        ("?folder=saved", None, "folder"),
        ("?filter_folder=saved", None, "filter_folder"),
        ("?hard=true", None, "hard"),
    ],
)
async def test_delete_of_one_message_that_names_something_else_deletes_nothing(
    rest: RestClient, app: AppFixture, box: Mailbox, query: str, data: Any, member: str
) -> None:
    message = await app.create_message(box)
    path = f"/{box.id}/messages/{message.id}"
    assert member in (await rest.request_error(400, "DELETE", f"{path}{query}", data))["data"]
    document = (await rest.request_ok("GET", path))["data"]
    await rest.request_ok("POST", path, {"folder": "saved"})
    await rest.request_ok("DELETE", f"{path}?_=1&accept=x", {**document, "messages": [message.id]})
    assert await app.messages(box) == []


async def test_delete_tunnelled_through_a_parameter_needs_no_other_one(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    for path in (f"/{box.id}/messages/{(await app.create_message(box)).id}", f"/{box.id}/messages"):
        await app.create_message(box)
        await rest.request_ok("POST", f"{path}?_method=DELETE")
    assert await app.messages(box) == []


@pytest.mark.parametrize("word", ["true", "True", "1", "yes"])
async def test_filter_knows_what_clients_write_for_true(
    rest: RestClient, app: AppFixture, box: Mailbox, word: str
) -> None:
    urgent, other = await app.create_message(box, urgent=True), await app.create_message(box)
    path = f"/{box.id}/messages"
    assert ids(await rest.request_ok("GET", f"{path}?filter_urgent={word}")) == [urgent.id]
    assert ids(await rest.request_ok("GET", f'{path}?filter_any_urgent=["{word}"]')) == [urgent.id]
    assert ids(await rest.request_ok("GET", f"{path}?filter_not_urgent={word}")) == [other.id]
    assert (await rest.request_ok("GET", f"?filter_require_pin={word}"))["data"] == []


@pytest.mark.parametrize("name", ["caller_name", "messages", "source_id", "media_id"])
async def test_new_message_that_names_nothing_known_is_refused(rest: RestClient, box: Mailbox, name: str) -> None:
    refused = await rest.request_error(400, "PUT", f"/{box.id}/messages", {name: "x", "ui_metadata": {}})
    assert "caller_id_name" in refused["data"][name]["unknown"]["target"]
    await rest.request_ok("PUT", f"/{box.id}/messages", {name: "x", "caller_id_name": "Alice"})
    await rest.request_ok("PUT", f"/{box.id}/messages", {"ui_metadata": {}})
    assert len((await rest.request_ok("GET", f"/{box.id}/messages"))["data"]) == 2


@pytest.mark.parametrize(
    "body",
    [{"message": ["1"]}, {"data": {"message": ["1"]}}, {"data": {"folder": None}}, {"data": {}}, {}, {"data": None}],
)
async def test_body_that_names_nothing_deletes_nothing(
    rest: RestClient, app: AppFixture, box: Mailbox, body: Any
) -> None:
    await app.create_message(box)
    envelope = await rest.request_error(400, "DELETE", f"/{box.id}/messages", json=body)
    assert "no body to delete all" in envelope["data"]["messages"]["required"]["message"]
    assert len(await app.messages(box)) == 1


async def test_blank_body_is_no_missing_body(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box)
    await rest.request_error(400, "DELETE", f"/{box.id}/messages", content=b" \r\n")
    assert len(await app.messages(box)) == 1
    await rest.request_ok("DELETE", f"/{box.id}/messages")
    assert await app.messages(box) == []


@pytest.mark.parametrize(
    ("query", "name", "meant"),
    [
        ("created_frm=1", "created_frm", "created_from"),
        ("page_sze=1", "page_sze", "page_size"),
        ("Folder=saved", "Folder", "folder"),
        ("PAGINATE=false", "PAGINATE", "paginate"),
        ("Filter_folder=saved", "Filter_folder", "filter_KEY"),
        ("filters_folder=saved", "filters_folder", "filter_KEY"),
        ("filter=saved", "filter", "filter_KEY"),
    ],
)
async def test_misspelt_parameter_of_a_list_is_named(
    rest: RestClient, app: AppFixture, box: Mailbox, query: str, name: str, meant: str
) -> None:
    for path in ("", f"/{box.id}/messages", "/messages"):
        envelope = await rest.request_error(400, "GET", f"{path}?{query}")
        assert envelope["data"][name]["enum"]["target"].endswith(meant)
    await rest.request_ok("GET", f"/{box.id}/messages?_=1&ui_metadata=x&sort=asc")  # Clients add their own.


async def test_list_is_filtered_by_time_range(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    sent = [await app.create_message(box, age_s=n * DAY_S, s=0.1) for n in range(50)]
    at = [m.time + GREGORIAN_OFFSET_S for m in sent]
    path = f"/{box.id}/messages?page_size=100"
    assert ids(await rest.request_ok("GET", f"{path}&created_from={at[5]}&created_to={at[3]}")) == [
        m.id for m in sent[3:6]
    ]
    assert ids(await rest.request_ok("GET", f"{path}&created_from={at[49]}")) == [m.id for m in sent]
    assert ids(await rest.request_ok("GET", f"{path}&created_to={at[3]}")) == [m.id for m in sent[3:]]
    for query, field in ((f"created_from={at[3]}&created_to={at[5]}", "created_from"),
                         (f"created_from={at[40]}&created_to={at[3]}", "created_to")):  # fmt: skip
        assert "date_range" in (await rest.request_error(400, "GET", f"{path}&{query}"))["data"][field]
    assert "type" in (await rest.request_error(400, "GET", f"{path}&created_from=soon"))["data"]["created_from"]


async def test_modified_time_is_time_of_last_folder_change(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    moved, _ = await app.create_message(box), await app.create_message(box)
    app.clock.advance(s=100)
    await rest.request_ok("POST", f"/{box.id}/messages/{moved.id}", {"folder": "saved"})
    since = NOON + 50 + GREGORIAN_OFFSET_S
    assert ids(await rest.request_ok("GET", f"/{box.id}/messages?modified_from={since}")) == [moved.id]


async def test_invalid_page_size_is_rejected(rest: RestClient, box: Mailbox) -> None:
    for size in ("0", "-1", "x", "", "1.5", "9" * 30):
        envelope = await rest.request_error(404, "GET", f"/{box.id}/messages?page_size={size}")
        assert (envelope["message"], envelope["data"]["message"]) == ("faulty_request", "invalid page size")
    for key in ("x", "W10", "WzEsMl0", "W3RydWUsImEiXQ", "WzFlOTk5OSwiYSJd"):
        await rest.request_error(404, "GET", f"/{box.id}/messages?start_key={key}")
    boxes = await rest.request_ok("GET", "?page_size=1000")
    assert boxes["page_size"] == 1


async def test_unpaged_list_returns_everything_below_row_limit(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    for n in range(60):
        await app.create_message(box, age_s=n, s=0.1)
    everything = await rest.request_ok("GET", f"/{box.id}/messages?paginate=false")
    assert (len(everything["data"]), "page_size" in everything) == (60, False)
    async with serve_client(app, rest.token, max_unpaged_rows=59) as limited:
        envelope = await limited.request_error(416, "GET", f"/{box.id}/messages?paginate=false")
    assert (envelope["message"], "59 rows" in envelope["data"]["message"]) == ("too_many_rows", True)


async def test_folder_change_is_visible_to_phone_at_once(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    for how in (
        {"data": {"folder": "deleted"}},
        {"params": {"folder": "new"}},
        {"json": {"data": {}, "folder": "deleted"}},
    ):
        changed = await rest.request_ok("POST", f"/{box.id}/messages/{message.id}", **how)
        assert changed["data"]["folder"] == await app.folder_of(message)
    assert await app.folder_of(message) == "deleted"
    await rest.request_ok("POST", f"/{box.id}/messages/{message.id}", {})
    assert await app.folder_of(message) == "saved"


async def test_unknown_folder_changes_and_deletes_nothing(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    for method, path in (("POST", f"/{message.id}"), ("POST", ""), ("DELETE", "")):
        body = {"folder": "trash", **({"messages": [message.id]} if method == "POST" and not path else {})}
        envelope = await rest.request_error(400, method, f"/{box.id}/messages{path}", body)
        assert "enum" in envelope["data"]["folder"]
    await rest.request_error(400, "DELETE", f"/{box.id}/messages?folder=trash")
    assert await app.folder_of(message) == "new"


NOTHING_NAMED: list[tuple[str, Any, str]] = [
    ("", {"data": {"foldr": "deleted"}}, "foldr"),
    ("", {"data": {"Folder": "deleted"}}, "Folder"),
    ("", {"data": {"sourceid": "x"}}, "sourceid"),
    ("", {"data": {"source_ids": ["x"]}}, "source_ids"),
    ("", {"data": {"folder": None}}, "folder"),
    ("", {"data": {"source_id": None}}, "source_id"),
    ("", {"data": {"caller_id_name": "Ann"}}, "folder"),
    ("", {"data": {"vm_folder": "deleted"}}, "folder"),
    ("", {"foldr": "deleted"}, "foldr"),
    ("", {"folder": None}, "folder"),
    ("", {"source_id": "x"}, "source_id"),
    ("", {"urgent": True}, "urgent"),
    ("", {"DATA": {"folder": "deleted"}}, "DATA"),
    ("", {"ids": ["x"]}, "folder"),
    ("?foldr=deleted", None, "foldr"),
    ("?Folder=deleted", {"data": {}}, "Folder"),
]


@pytest.mark.parametrize(("query", "body", "member"), NOTHING_NAMED)
async def test_misspelt_change_is_rejected_instead_of_saving_the_message(
    rest: RestClient, app: AppFixture, box: Mailbox, query: str, body: Any, member: str
) -> None:
    message = await app.create_message(box)
    one = {} if body is None else {"json": body}
    assert member in (await rest.request_error(400, "POST", f"/{box.id}/messages/{message.id}{query}", **one))["data"]
    if member not in ("folder", "source_id"):  # Many messages without a folder go to `saved`, as in Kazoo.
        many = {**(body or {}), "messages": [message.id]}
        assert member in (await rest.request_error(400, "POST", f"/{box.id}/messages{query}", json=many))["data"]
    assert await app.folder_of(message) == "new"


async def test_one_request_makes_one_change(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message, other = await app.create_message(box), await app.create_box("1001")
    path = f"/{box.id}/messages"
    both = {"source_id": other.id, "folder": "deleted"}
    assert "folder" in (await rest.request_error(400, "POST", f"{path}/{message.id}", both))["data"]
    assert "folder" in (await rest.request_error(400, "POST", path, {**both, "messages": [message.id]}))["data"]
    many = {"folder": "saved", "messages": ["202611-other"]}
    for body in ({"data": many}, many):
        assert "messages" in (await rest.request_error(400, "POST", f"{path}/{message.id}", json=body))["data"]
    assert await app.messages(box) == [message]
    document = (await rest.request_ok("GET", f"{path}/{message.id}"))["data"]  # Clients send back what they have read.
    moved = await rest.request_ok("POST", f"{path}/{message.id}", {**document, "source_id": other.id})
    assert moved["data"]["media_id"] == message.id


async def test_change_without_a_name_saves_as_in_kazoo(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    bodies: list[Any] = [None, {}, {"data": {}}, {"data": {"ui_metadata": {"ui": "monster-ui"}}}]
    for body in bodies:
        message = await app.create_message(box)
        options = {} if body is None else {"json": body}
        await rest.request_ok("POST", f"/{box.id}/messages/{message.id}", **options)
        assert await app.folder_of(message) == "saved"


async def test_ids_and_a_folder_or_filter_together_delete_nothing(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    message = await app.create_message(box)
    for query, data in (("?folder=saved", {}), ("?filter_caller_id_number=1", {}), ("?created_from=1", {}),
                        ("", {"folder": "new"})):  # fmt: skip
        path = f"/{box.id}/messages{query}"
        envelope = await rest.request_error(400, "DELETE", path, {"messages": [message.id], **data})
        assert "only one of them" in envelope["data"]["messages"]["maxItems"]["message"]
    assert len(await app.messages(box)) == 1


async def test_message_without_labels_has_none_of_them(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box)
    query = 'filter_array_intersect_none_labels=["a"]'
    assert len((await rest.request_ok("GET", f"/{box.id}/messages?{query}"))["data"]) == 1


async def test_misspelt_detail_of_a_new_message_is_named(rest: RestClient, box: Mailbox) -> None:
    for name in ("callerid_name", "caller_id_nmae", "Folder", "TIMESTAMP"):
        envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", {name: "x"})
        assert "did you mean" in envelope["data"][name]["unknown"]["message"]


async def test_transfer_puts_the_message_into_the_target_box(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    other = await app.create_box("1001")
    message = await app.create_message(box, caller="1001", folder="saved", age_s=3600)
    moved = (await rest.request_ok("POST", f"/{box.id}/messages/{message.id}", {"source_id": other.id}))["data"]
    assert moved["media_id"] == message.id
    assert (moved["folder"], moved["to"], moved["from"], moved["timestamp"]) == (
        "saved", "1001@demo.example", "1001@demo.example", NOON - 3600 + GREGORIAN_OFFSET_S,
    )  # fmt: skip
    assert [m.id for m in await app.messages(other)] == [moved["media_id"]]
    assert (await app.messages(other))[0].history == (box.id,)
    assert await app.messages(box) == []


async def test_copy_creates_message_in_each_box_and_keeps_original(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    others = [await app.create_box("1001"), await app.create_box("1002", app.bob)]
    message = await app.create_message(box)
    result = await rest.request_ok("POST", f"/{box.id}/messages/{message.id}", {"source_id": [o.id for o in others]})
    copies = [(await app.messages(other))[0].id for other in others]
    assert result["data"] == {"succeeded": copies, "failed": []}
    assert await app.folder_of(message) == "new"


async def test_invalid_destination_is_rejected(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    for path, more in ((f"/{message.id}", {}), ("", {"messages": [message.id]})):
        empty: tuple[Any, ...] = ("", [])
        for source_id in empty:
            envelope = await rest.request_error(
                400, "POST", f"/{box.id}/messages{path}", {"source_id": source_id, **more}
            )
            assert "required" in envelope["data"]["source_id"]
        wrong_type: tuple[Any, ...] = (7, [7], {"a": 1})
        for source_id in wrong_type:
            envelope = await rest.request_error(
                400, "POST", f"/{box.id}/messages{path}", {"source_id": source_id, **more}
            )
            assert "type" in envelope["data"]["source_id"]
        unknown: tuple[Any, ...] = ("0" * 32, ["0" * 32])
        for source_id in unknown:
            envelope = await rest.request_error(
                404, "POST", f"/{box.id}/messages{path}", {"source_id": source_id, **more}
            )
            assert (envelope["message"], envelope["data"]["cause"]) == ("bad_identifier", "0" * 32)
    assert [m.id for m in await app.messages(box)] == [message.id]


async def test_bulk_change_reports_outcome_per_message(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    sent = [await app.create_message(box, age_s=n) for n in range(3)]
    old = await app.create_message(box, age_s=200 * DAY_S)
    message_ids = [m.id for m in sent] + [MISSING, old.id, sent[0].id]
    result = await rest.request_ok("POST", f"/{box.id}/messages", {"folder": "saved", "messages": message_ids})
    failed = [{MISSING: "not_found"}, {old.id: "prior_to_retention_duration"}]
    assert result["data"] == {"succeeded": [m.id for m in sent], "failed": failed}
    assert [await app.folder_of(m) for m in sent] == ["saved"] * 3


async def test_messages_are_moved_and_copied_in_bulk(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    others = [await app.create_box("1001"), await app.create_box("1002")]
    sent = [await app.create_message(box, age_s=n) for n in range(3)]
    names = [m.id for m in sent]
    copied = (
        await rest.request_ok("POST", f"/{box.id}/messages", {"source_id": [o.id for o in others], "messages": names})
    )["data"]
    assert (len(copied["succeeded"]), copied["failed"]) == (6, [])
    moved = (
        await rest.request_ok("POST", f"/{box.id}/messages", {"source_id": others[0].id, "messages": [*names, MISSING]})
    )["data"]
    assert (len(moved["succeeded"]), moved["failed"]) == (3, [{MISSING: "not_found"}])
    assert set(moved["succeeded"]) < {m.id for m in await app.messages(others[0])}
    assert [len(await app.messages(b)) for b in (box, *others)] == [0, 6, 3]


async def test_bulk_request_without_ids_is_rejected(rest: RestClient, box: Mailbox) -> None:
    for path in ("/messages", "/messages/raw"):
        empty: tuple[Any, ...] = ({}, {"messages": []})
        for body in empty:
            envelope = await rest.request_error(400, "POST", f"/{box.id}{path}", body)
            assert envelope["data"] == {"messages": {"required": {"message": "No array of message ids are specified"}}}
        for ids_given in ("x", [1], {"a": 1}):
            envelope = await rest.request_error(400, "POST", f"/{box.id}{path}", {"messages": ids_given})
            assert "type" in envelope["data"]["messages"]


async def test_messages_are_deleted_by_ids_by_folder_or_all(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    new = [await app.create_message(box, age_s=n) for n in range(3)]
    saved = [await app.create_message(box, age_s=n, folder="saved") for n in range(2)]
    deleted = [await app.create_message(box, folder="deleted")]
    result = await rest.request_ok("DELETE", f"/{box.id}/messages", {"messages": [new[0].id, MISSING]})
    assert result["data"] == {"succeeded": [new[0].id], "failed": [{MISSING: "not_found"}]}
    assert (await rest.request_ok("DELETE", f"/{box.id}/messages", {"messages": []}))["data"]["succeeded"] == []
    assert (await rest.request_ok("DELETE", f"/{box.id}/messages?folder=saved"))["data"]["succeeded"] == [
        m.id for m in saved
    ]
    only = await rest.request_ok("DELETE", f"/{box.id}/messages?filter_folder=deleted")
    assert only["data"]["succeeded"] == [deleted[0].id]
    assert (await rest.request_ok("DELETE", f"/{box.id}/messages"))["data"] == {
        "succeeded": [new[1].id, new[2].id], "failed": [],
    }  # fmt: skip
    assert (await rest.request_ok("GET", f"/{box.id}/messages"))["data"] == []
    assert await app.messages(box) == []


async def test_all_of_many_messages_are_deleted_in_batches(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    for n in range(11):
        await app.create_message(box, age_s=n // 3, s=0.1)
    async with serve_client(app, rest.token, delete_batch_size=4) as batching:
        result = await batching.request_ok("DELETE", f"/{box.id}/messages")
    assert len(result["data"]["succeeded"]) == 11
    assert await app.messages(box) == []


async def test_deleted_message_cannot_be_restored(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    deleted = (await rest.request_ok("DELETE", f"/{box.id}/messages/{message.id}"))["data"]
    assert (deleted["media_id"], deleted["folder"]) == (message.id, "deleted")
    envelope = await rest.request_error(404, "GET", f"/{box.id}/messages/{message.id}")
    assert envelope["data"] == {"message": "bad identifier", "cause": message.id}
    await rest.request_error(404, "DELETE", f"/{box.id}/messages/{message.id}")


async def test_message_is_not_found_through_another_box(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    other = await app.create_box("1001")
    message = await app.create_message(box)
    for method in ("GET", "POST", "DELETE"):
        await rest.request_error(404, method, f"/{other.id}/messages/{message.id}", {} if method == "POST" else None)
    await rest.request_error(404, "GET", f"/{other.id}/messages/{message.id}/raw")
    await rest.request_error(404, "GET", f"/{message.id}")  # The id of a message in place of a box.
    await rest.request_error(404, "GET", f"/{box.id}/messages/{box.id}")


async def test_message_past_retention_is_gone_and_cannot_be_changed(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    old = await app.create_message(box, age_s=94 * DAY_S)
    await rest.request_error(404, "GET", f"/{box.id}/messages/{old.id}")
    envelope = await rest.request_error(400, "POST", f"/{box.id}/messages/{old.id}", {"folder": "saved"})
    assert "date_range" in envelope["data"][old.id]
    assert (await rest.request_ok("GET", f"/{box.id}/messages"))["data"] == []
    assert (await rest.request_ok("GET", "/messages"))["data"] == []


async def test_message_shows_its_transcript(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    made = Message(
        id="201605-" + "a" * 32, account_id=box.account_id, box_id=box.id, folder=Folder.NEW, time=NOON, length_ms=1000,
        bytes=16_044, caller=Caller("2001"), transcription='{"result": "success", "text": "hello"}',
    )  # fmt: skip
    await app.container.messages.add(made)
    [line] = (await rest.request_ok("GET", f"/{box.id}/messages"))["data"]
    assert (line["transcribed"], "transcription" in line) == (True, False)
    one = (await rest.request_ok("GET", f"/{box.id}/messages/{made.id}"))["data"]
    assert (one["transcription"], "transcribed" in one) == ({"result": "success", "text": "hello"}, False)


async def test_if_match_rejects_change_of_message_changed_by_phone(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    message = await app.create_message(box)
    tag = (await rest.request("GET", f"/{box.id}/messages/{message.id}")).headers["etag"]
    assert (
        await rest.request("GET", f"/{box.id}/messages/{message.id}", headers={"If-None-Match": tag})
    ).status_code == 304
    await app.run_call([Press("1", during="(message")], endpoint="alice", number="1000")
    assert await app.folder_of(message) == "saved"
    for method in ("POST", "DELETE"):
        await rest.request_error(
            412, method, f"/{box.id}/messages/{message.id}", {"folder": "deleted"}, headers={"If-Match": tag}
        )
    assert await app.folder_of(message) == "saved"


async def test_unsupported_methods_are_not_allowed(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    for method, path, allowed in (
        ("PATCH", f"/{box.id}/messages/{message.id}", "DELETE, GET, HEAD, POST"),
        ("DELETE", "", "GET, HEAD, PUT"),
        ("POST", "", "GET, HEAD, PUT"),
        ("PATCH", f"/{box.id}/messages", "DELETE, GET, HEAD, POST, PUT"),
        ("DELETE", f"/{box.id}/messages/{message.id}/raw", "GET, HEAD, PUT"),
    ):
        response = await rest.request(method, path)
        assert (response.status_code, response.json()["message"]) == (405, "invalid_method")
        assert response.headers["allow"] == allowed
    assert (await rest.request_ok("GET", f"/{box.id}/messages/"))["data"][0]["media_id"] == message.id
    envelope = await rest.request_error(404, "GET", f"/{box.id}/nothing")
    assert envelope["message"] == "not_found"


async def test_marks_are_set_shown_and_filtered(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message, other = await app.create_message(box), await app.create_message(box, age_s=10)
    path = f"/{box.id}/messages/{message.id}"
    marked = (await rest.request_ok("POST", path, {"urgent": True, "labels": [" Work ", "Offers"]}))["data"]
    assert (marked["urgent"], marked["labels"], marked["folder"]) == (True, ["Work", "Offers"], "new")
    assert ids(await rest.request_ok("GET", f"/{box.id}/messages?filter_urgent=true")) == [message.id]
    assert (await app.container.messages.counts(box.id)).urgent_new == 1
    moved = (await rest.request_ok("POST", path, {"urgent": False, "labels": [], "folder": "saved"}))["data"]
    assert "urgent" not in moved
    assert "labels" not in moved
    assert moved["folder"] == "saved"
    assert await app.folder_of(other) == "new"


@pytest.mark.parametrize(
    ("data", "field"),
    [({"urgent": "yes please"}, "urgent"), ({"labels": "Work"}, "labels"), ({"labels": [""]}, "labels.0")],
)
async def test_invalid_mark_changes_nothing(
    rest: RestClient, app: AppFixture, box: Mailbox, data: dict[str, Any], field: str
) -> None:
    message = await app.create_message(box)
    path = f"/{box.id}/messages/{message.id}"
    assert field in (await rest.request_error(400, "POST", path, {**data, "folder": "saved"}))["data"]
    assert await app.folder_of(message) == "new"


async def test_marks_are_of_one_message_at_a_time(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message, path = await app.create_message(box), f"/{box.id}/messages"
    await rest.request_error(400, "POST", path, {"messages": [message.id], "folder": "saved", "urgent": True})
    await rest.request_error(400, "POST", f"{path}/{message.id}", {"source_id": box.id, "urgent": True})
    assert await app.folder_of(message) == "new"
    await rest.request_ok("POST", f"{path}/{message.id}", {"urgent": True, "labels": ["Work"]})
    document = (await rest.request_ok("GET", f"{path}/{message.id}"))["data"]
    other = await app.create_box("1001")
    await rest.request_ok("POST", f"{path}/{message.id}", {**document, "source_id": other.id})
    (moved,) = await app.messages(other)
    assert (moved.urgent, moved.labels) == (True, ("Work",))


async def test_new_message_may_be_urgent_and_labelled(rest: RestClient, box: Mailbox) -> None:
    created = await rest.request_ok("PUT", f"/{box.id}/messages", {"urgent": True, "labels": ["Work"]})
    shown = (await rest.request_ok("GET", f"/{box.id}/messages/{created['data']['media_id']}"))["data"]
    assert (shown["urgent"], shown["labels"]) == (True, ["Work"])
