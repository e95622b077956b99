"""Where a caller who was put through to a box begins (kazoo-behaviour §1.2, compose)."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.menus.announcement import Announcement
from ivr.menus.full_box import FullBox
from ivr.menus.leave import Leave
from ivr.menus.menu import Menu, Next, Place
from ivr.menus.sign_in import SignIn
from ivr.menus.visit import Status, Visit


async def first_place(visit: Visit, mailbox: Mailbox | None) -> Place:
    """The first of these that fits."""
    if mailbox is None:
        return NoSuchBox(visit)
    if _comes_to_listen(visit, mailbox):
        return SignIn(visit, mailbox, named=True)
    if mailbox.settings.announcement_only:
        return Announcement(visit, mailbox)
    if await visit.call.work(visit.mailroom.room.is_full(mailbox)):
        return FullBox(visit, mailbox)
    return Leave(visit, mailbox)


class NoSuchBox(Menu):
    """A caller reached a number that has no box."""

    async def run(self) -> Next:
        return await self.goodbye("greeting/no-voicemail", status=Status.NOBOX)


def _comes_to_listen(visit: Visit, mailbox: Mailbox) -> bool:
    """Whether somebody who was put through to a box is its owner, and wants to hear it rather than talk to it.

    A box that only plays its greeting has nothing to be talked to. Where the box does not say, it depends on how the
    call came: an owner who dialled it wants to hear it, one who fell into it from a ring group or a menu does not.
    """
    if visit.call.arrival.arguments.options is not None:
        return False  # VoiceMail() always leaves a message.
    wanted = mailbox.settings.check_if_owner
    if wanted is None:
        wanted = not visit.call.arrival.arguments.reason
    return visit.owns(mailbox) and (wanted or mailbox.settings.announcement_only)
