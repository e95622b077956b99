"""What a running service does behind the calls: notifications, counts, the connection to Asterisk's manager."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from ivr.ami.manager import Manager
from ivr.app import App
from ivr.mailbox.forms import Forms
from ivr.mailbox.sqlite.outbox import Kind
from ivr.metrics.listener import Listener
from ivr.notify import callback, webhook
from ivr.notify.callback import CallBack, CallFollower
from ivr.notify.change import Follower
from ivr.notify.dispatch import Dispatch
from ivr.notify.lane import Lane, RowLane
from ivr.notify.lights import LightLane
from ivr.notify.mail.post import AfterMail, MailFollower, Post
from ivr.notify.mail.smtp import Smtp
from ivr.notify.mail.templates import Templates
from ivr.notify.notifier import Notifier
from ivr.notify.targets import Targets
from ivr.notify.transcript.scribe import Scribe
from ivr.notify.transcript.transcriber import WorkerTranscriber
from ivr.notify.webhook import WebhookFollower, Webhooks


@dataclass(frozen=True)
class Following:
    """What a running service does behind the calls."""

    notifier: Notifier
    counts: Listener
    connecting: asyncio.Task[None] | None

    async def stop(self) -> None:
        """Let what is nearly done end, and go."""
        await self.notifier.stop()
        self.counts.stop()
        if self.connecting:
            self.connecting.cancel()


async def follow(app: App) -> Following:
    """Do what follows changes, whichever process makes them."""
    notifier = Notifier(app.outbox, lanes(app, app.manager))
    await notifier.start()
    counts = Listener(partial(counted, app))
    if app.settings.metrics.port:
        await counts.start(app.settings.metrics.host, app.settings.metrics.port)
    connecting = asyncio.create_task(app.manager.run()) if app.manager else None
    return Following(notifier, counts, connecting)


def lanes(app: App, manager: Manager | None, *, at_start: bool = True) -> list[Lane]:
    """Who does what the outbox asks for. What is slow in one holds nothing back in another.

    `at_start`: a service begins, which puts all lights right and clears what an earlier run left half done.
    """
    settings, clock, outbox = app.settings, app.mailroom.clock, app.outbox
    lane = partial(
        RowLane, outbox=outbox, clock=clock, retry_s=settings.notify.retry_s, told=app.metrics.notified
    )  # fmt: skip
    targets = Targets(settings.lights, settings.asterisk.system)
    mails = bool(settings.mail.host)
    calls = manager if settings.notify.call_context else None
    followers: list[Follower] = [
        MailFollower(settings.notify, mails=mails, transcribes=settings.transcript.understands),
        WebhookFollower(),
        *([CallFollower(settings.notify)] if calls else []),
    ]
    dispatch = Dispatch(app.boxes, app.messages, app.failures, clock, followers, app.metrics.changed)
    found: list[Lane] = [
        lane("changes", {**dispatch.handlers, **AfterMail(app.boxes, app.messages).handlers}),
        LightLane(outbox, app.database, clock, targets, manager, puts_all_right=at_start),
        lane("webhooks", Webhooks(app.directory, clock).handlers, at_once=webhook.AT_ONCE),
    ]
    if mails:
        forms = Forms(app.delivery, app.rest.uploads, app.workshop, settings.data.folder / "mail-forms")
        forms.clear() if at_start else forms.prepare()
        post = Post(
            app.boxes,
            app.messages,
            forms,
            clock,
            Templates(settings.mail.templates),
            Smtp(settings.mail),
            settings.mail,
        )
        found.append(lane("mail", post.handlers, at_once=settings.mail.at_once))
    if settings.transcript.engine != "off":
        transcriber = WorkerTranscriber(settings.transcript)
        scribe = Scribe(app.boxes, app.messages, app.delivery, transcriber, clock, mails=mails)
        found.append(lane("transcripts", scribe.handlers))
    if calls:
        call_back = CallBack(app.boxes, app.messages, outbox, clock, calls, settings.notify)
        found.append(lane("calls", call_back.handlers, at_once=callback.AT_ONCE))
    return found


async def counted(app: App) -> bytes:
    """What Prometheus reads."""
    waiting = {str(kind): rows for kind, rows in (await app.outbox.ages()).items()}
    app.metrics.outbox(Kind, waiting, await app.outbox.given_up())
    app.metrics.tasks(len(asyncio.all_tasks()))
    return app.metrics.text()
