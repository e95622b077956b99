"""Background tasks of the service: outbox workers, the metrics server and the AMI connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from ivr.ami.client import AmiClient
from ivr.app import App
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
from ivr.storage.records import TaskKind


@dataclass(frozen=True)
class BackgroundTasks:
    """What runs beside the calls."""

    outbox_runner: OutboxRunner
    metrics_server: PrometheusServer
    ami_task: asyncio.Task[None] | None

    async def stop(self) -> None:
        """Stop everything; tasks that are nearly done may finish."""
        await self.outbox_runner.stop()
        self.metrics_server.stop()
        if self.ami_task:
            self.ami_task.cancel()


async def start_background_tasks(app: App) -> BackgroundTasks:
    """Start the workers for the changes of all processes, the metrics server and the AMI connection."""
    outbox_runner = OutboxRunner(app.outbox, build_workers(app, app.ami_client))
    await outbox_runner.start()
    metrics_server = PrometheusServer(partial(render_metrics, app))
    if app.settings.metrics.port:
        await metrics_server.start(app.settings.metrics.host, app.settings.metrics.port)
    ami_task = asyncio.create_task(app.ami_client.run_forever()) if app.ami_client else None
    return BackgroundTasks(outbox_runner=outbox_runner, metrics_server=metrics_server, ami_task=ami_task)


def build_workers(app: App, ami_client: AmiClient | None, *, is_service_start: bool = True) -> list[Worker]:
    """Build one worker for each kind of work, so that slow mail does not delay a light.

    `is_service_start`: all lights are set anew, and mail renditions of an earlier run are removed.
    """
    settings = app.settings
    new_worker = partial(
        OutboxWorker,
        outbox=app.outbox,
        clock=app.clock,
        retry_delays_s=settings.notify.retry_s,
        on_outcome=app.metrics.count_notification,
    )
    mail_enabled = bool(settings.mail.host)
    callback_client = ami_client if settings.notify.call_context else None
    subscribers: list[Subscriber] = [
        MailSubscriber(
            settings.notify, mail_enabled=mail_enabled, can_transcribe=settings.transcript.supports_language
        ),
        WebhookSubscriber(),
        *([CallSubscriber(settings.notify)] if callback_client else []),
    ]
    dispatcher = EventDispatcher(
        app.boxes, app.messages, app.pin_lockout, app.clock, subscribers, app.metrics.count_event
    )
    workers: list[Worker] = [
        new_worker("changes", {**dispatcher.handlers, **AfterNotifyAction(app.boxes, app.messages).handlers}),
        MwiWorker(app.outbox, app.clock, app.mwi_targets, ami_client, resync_on_connect=is_service_start),
        new_worker(
            "webhooks", WebhookSender(app.directory, app.clock).handlers, max_concurrency=webhook.MAX_CONCURRENCY
        ),
    ]
    if mail_enabled:
        renditions = app.renditions("mail-renditions")
        renditions.clear() if is_service_start else renditions.prepare()
        mail_sender = MailSender(
            app.boxes,
            app.messages,
            renditions,
            app.clock,
            MailTemplates(settings.mail.templates),
            SmtpClient(settings.mail),
            settings.mail,
        )
        workers.append(new_worker("mail", mail_sender.handlers, max_concurrency=settings.mail.at_once))
    if settings.transcript.engine != "off":
        transcriber = SubprocessTranscriber(settings.transcript)
        transcription = TranscriptionWorker(
            app.boxes, app.messages, app.delivery, transcriber, app.clock, mail_enabled=mail_enabled
        )
        workers.append(new_worker("transcripts", transcription.handlers))
    if callback_client:
        new_message_calls = NewMessageCall(
            app.boxes, app.messages, app.outbox, app.clock, callback_client, settings.notify
        )
        workers.append(
            new_worker("calls", new_message_calls.handlers, max_concurrency=new_message_call.MAX_CONCURRENCY)
        )
    return workers


async def render_metrics(app: App) -> bytes:
    """Return the metrics in Prometheus's text format."""
    backlog = {str(kind): rows for kind, rows in (await app.outbox.backlog_by_kind()).items()}
    app.metrics.set_outbox(TaskKind, backlog, await app.outbox.count_given_up())
    app.metrics.set_task_count(len(asyncio.all_tasks()))
    return app.metrics.render()
