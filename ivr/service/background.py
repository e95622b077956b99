"""What a running service does behind the calls: notifications, counts, the connection to Asterisk's manager."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from ivr.ami.client import AmiClient
from ivr.app import App
from ivr.mailbox.renditions import Forms
from ivr.metrics.prometheus_server import PrometheusServer
from ivr.notifications import new_message_call, webhook
from ivr.notifications.event import Subscriber
from ivr.notifications.event_dispatcher import EventDispatcher
from ivr.notifications.mail.mail_worker import AfterNotifyAction, MailSender, MailSubscriber
from ivr.notifications.mail.smtp import SmtpClient
from ivr.notifications.mail.templates import MailTemplates
from ivr.notifications.mwi_worker import MwiWorker
from ivr.notifications.new_message_call import CallSubscriber, NewMessageCall
from ivr.notifications.outbox_runner import OutboxRunner
from ivr.notifications.transcription.transcriber import SubprocessTranscriber
from ivr.notifications.transcription.transcription_worker import TranscriptionWorker
from ivr.notifications.webhook import WebhookSender, WebhookSubscriber
from ivr.notifications.worker import OutboxWorker, Worker
from ivr.storage.sqlite.events import TaskKind
from ivr.storage.sqlite.mwi_targets import MwiTargetReader


@dataclass(frozen=True)
class BackgroundTasks:
    """What a running service does behind the calls."""

    outbox_runner: OutboxRunner
    metrics_server: PrometheusServer
    ami_task: asyncio.Task[None] | None

    async def stop(self) -> None:
        """Let what is nearly done end, and go."""
        await self.outbox_runner.stop()
        self.metrics_server.stop()
        if self.ami_task:
            self.ami_task.cancel()


async def start_background_tasks(app: App) -> BackgroundTasks:
    """Do what follows changes, whichever process makes them."""
    notifier = OutboxRunner(app.outbox, build_workers(app, app.ami_client))
    await notifier.start()
    counts = PrometheusServer(partial(render_metrics, app))
    if app.settings.metrics.port:
        await counts.start(app.settings.metrics.host, app.settings.metrics.port)
    connecting = asyncio.create_task(app.ami_client.run_forever()) if app.ami_client else None
    return BackgroundTasks(notifier, counts, connecting)


def build_workers(app: App, ami_client: AmiClient | None, *, is_service_start: bool = True) -> list[Worker]:
    """Who does what the outbox asks for. What is slow in one holds nothing back in another.

    `at_start`: a service begins, which puts all lights right and clears what an earlier run left half done.
    """
    settings, clock, outbox = app.settings, app.voicemail_services.clock, app.outbox
    lane = partial(
        OutboxWorker,
        outbox=outbox,
        clock=clock,
        retry_delays_s=settings.notify.retry_s,
        on_outcome=app.metrics.count_notification,
    )
    targets = MwiTargetReader(settings.lights, settings.asterisk.system)
    mails = bool(settings.mail.host)
    calls = ami_client if settings.notify.call_context else None
    followers: list[Subscriber] = [
        MailSubscriber(settings.notify, mail_enabled=mails, can_transcribe=settings.transcript.supports_language),
        WebhookSubscriber(),
        *([CallSubscriber(settings.notify)] if calls else []),
    ]
    dispatch = EventDispatcher(app.boxes, app.messages, app.pin_lockout, clock, followers, app.metrics.count_event)
    found: list[Worker] = [
        lane("changes", {**dispatch.handlers, **AfterNotifyAction(app.boxes, app.messages).handlers}),
        MwiWorker(outbox, app.database, clock, targets, ami_client, resync_on_connect=is_service_start),
        lane("webhooks", WebhookSender(app.directory, clock).handlers, max_concurrency=webhook.MAX_CONCURRENCY),
    ]
    if mails:
        forms = Forms(app.delivery, app.api_services.uploads, app.conversion_pool, settings.data.folder / "mail-forms")
        forms.clear() if is_service_start else forms.prepare()
        post = MailSender(
            app.boxes,
            app.messages,
            forms,
            clock,
            MailTemplates(settings.mail.templates),
            SmtpClient(settings.mail),
            settings.mail,
        )
        found.append(lane("mail", post.handlers, max_concurrency=settings.mail.at_once))
    if settings.transcript.engine != "off":
        transcriber = SubprocessTranscriber(settings.transcript)
        scribe = TranscriptionWorker(app.boxes, app.messages, app.delivery, transcriber, clock, mail_enabled=mails)
        found.append(lane("transcripts", scribe.handlers))
    if calls:
        call_back = NewMessageCall(app.boxes, app.messages, outbox, clock, calls, settings.notify)
        found.append(lane("calls", call_back.handlers, max_concurrency=new_message_call.MAX_CONCURRENCY))
    return found


async def render_metrics(app: App) -> bytes:
    """What Prometheus reads."""
    waiting = {str(kind): rows for kind, rows in (await app.outbox.backlog_by_kind()).items()}
    app.metrics.set_outbox(TaskKind, waiting, await app.outbox.count_given_up())
    app.metrics.set_task_count(len(asyncio.all_tasks()))
    return app.metrics.render()
