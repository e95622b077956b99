"""Messages whose time no date can express: from other systems, or a clock that was wrong."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from ivr.cli.private_zip import message_file_name
from ivr.cli.support import format_time
from ivr.clock import date_of
from ivr.mailbox.mailbox import Occupancy
from ivr.notifications.mail.audio import NO_AUDIO
from ivr.notifications.mail.variables import message_variables
from ivr.storage.records import Caller, Folder
from tests.support.app_fixture import AppFixture
from tests.web.conftest import Browser


@pytest.mark.parametrize("time", [10**12, 2**62], ids=["year 33658", "largest"])
async def test_message_of_a_year_without_a_date_is_listed_heard_and_exported(
    app: AppFixture, browser: Browser, time: int
) -> None:
    box = await app.create_box("1000", app.alice)
    pcm = b"\1\2" * 8000
    message = await app.container.delivery.import_recording(box, pcm, Caller("2001", ""), time, Folder("new"))
    assert message_file_name(message).startswith("9999-12-")
    await browser.sign_in_by_pin()
    await browser.open(f"/page/box/{box.id}")
    assert len(browser.rows) == 1
    page = f"/page/box/{box.id}/message/{message.id}"
    for path in (page, f"{page}/audio", f"{page}/download"):
        await browser.open(path)
        assert browser.page.status_code == 200, path
    token, _ = await app.container.tokens.create(app.account.id)
    base = f"/v2/accounts/{app.account.id}/vmboxes/{box.id}/messages"
    for path in (base, f"{base}/{message.id}", f"{base}/{message.id}?links=true", f"{base}/{message.id}/raw"):
        response = await browser.http.get(path, headers={"X-Auth-Token": token})
        assert response.status_code == 200, path
    response = await browser.http.post(
        f"{base}/raw", json={"data": {"messages": [message.id]}}, headers={"X-Auth-Token": token}
    )
    assert len(zipfile.ZipFile(BytesIO(response.content)).namelist()) == 1
    variables = message_variables(box, Occupancy(1, 1, 0, 0, 0), message, NO_AUDIO, "de")
    assert " 9999 " in str(variables)


def test_time_before_all_dates_is_the_nearest_one() -> None:
    assert [date_of(time).year for time in (-(10**12), -(2**62), 10**12, 2**62)] == [1000, 1000, 9999, 9999]
    assert format_time(-(10**12)).startswith("1000-01-0")
