"""Maintenance without a running service: the outbox and the recovery of recordings, once. Used by AGI and from cron."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import structlog

from ivr.ami.client import AmiClient
from ivr.api.audio_links import AudioLinks, audio_path, message_page_path
from ivr.app import App
from ivr.errors import SettingsError
from ivr.mailbox.greetings import GreetingCache
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.metrics.page_server import PageServer
from ivr.notifications import mailbox_program, new_message_call, webhook
from ivr.notifications.event import EventDispatcher, Subscriber
from ivr.notifications.mail.account_alarm import AccountAlarm
from ivr.notifications.mail.audio import BYTES_PER_MB, AudioLink, CreateLink, MailAudio
from ivr.notifications.mail.composition import MailComposer
from ivr.notifications.mail.handlers import AfterNotifyAction, MailSender
from ivr.notifications.mail.rendering import MailTemplates
from ivr.notifications.mail.smtp import SmtpClient
from ivr.notifications.mail.subscriber import MailSubscriber
from ivr.notifications.mailbox_program import ProgramRunner, ProgramSubscriber
from ivr.notifications.mwi_worker import MwiWorker
from ivr.notifications.new_message_call import CallSubscriber, NewMessageCall
from ivr.notifications.transcription.engines import choose_engine, supports_language
from ivr.notifications.transcription.handler import SubprocessTranscriber, TranscriptionHandler
from ivr.notifications.webhook import WebhookSender, WebhookSubscriber
from ivr.notifications.webhook_request import WebhookRequest
from ivr.notifications.worker import Handler, OutboxRunner, OutboxWorker, Worker, WorkerLimits
from ivr.precedence import background
from ivr.service.metrics_page import MetricsPage
from ivr.service.node_presence import NodePresence
from ivr.site_program import SiteProgram
from ivr.storage.records import Message, TaskKind
from ivr.validation.networks import format_address

AMI_CONNECT_TIMEOUT_S = 3.0
MAX_DURATION_S = 300.0
"""What is not done by then stays in the outbox until its lease ends."""

log = structlog.get_logger()


async def run_maintenance(app: App) -> None:
    """Process the outbox and recover recordings. What cannot be done now stays for the next run."""
    ami_task = asyncio.create_task(app.ami_client.run_forever()) if app.ami_client else None
    presence = NodePresence(app)
    try:
        if app.ami_client:
            await _wait_for_ami(app.ami_client)
        is_unknown = await presence.register()
        workers = build_workers(app, app.ami_client, is_service_start=False, resync_lights=is_unknown)
        outbox_runner = OutboxRunner(app.outbox, workers)
        async with asyncio.timeout(MAX_DURATION_S):
            await outbox_runner.run_until_idle()
            await _recover_recordings(app)
            await outbox_runner.run_until_idle()
    except TimeoutError:
        log.warning("maintenance.unfinished", after_s=MAX_DURATION_S)
    finally:
        if ami_task:
            ami_task.cancel()
            await asyncio.gather(ami_task, return_exceptions=True)
        await presence.stop()
        await app.stop_workers()


async def _wait_for_ami(ami_client: AmiClient) -> None:
    """Wait for the AMI connection, at most three seconds. Without it, lights and calls to owners stay in the outbox."""
    with suppress(TimeoutError):
        async with asyncio.timeout(AMI_CONNECT_TIMEOUT_S):
            while not ami_client.connection_id:
                await ami_client.wait_for_change()


async def _recover_recordings(app: App) -> None:
    """Repeat the recovery until nothing is left that could still be recovered in this run."""
    timing = app.recovery_timing
    for _ in range(round(timing.stable_after_s / timing.interval_s) + 2):  # Enough to see a file stop growing.
        await app.recording_recovery.run_once()
        if not await app.recording_recovery.has_pending():
            return
        await asyncio.sleep(timing.interval_s)


@dataclass(frozen=True)
class BackgroundTasks:
    """What runs beside the calls."""

    outbox_runner: OutboxRunner
    metrics_server: PageServer
    ami_task: asyncio.Task[None] | None
    presence: NodePresence
    greeting_cache_task: asyncio.Task[None]

    async def stop(self) -> None:
        """Stop everything; tasks that are nearly done may finish."""
        await self.outbox_runner.stop()
        self.metrics_server.stop()
        if self.ami_task:
            self.ami_task.cancel()
        self.greeting_cache_task.cancel()
        await asyncio.gather(self.greeting_cache_task, return_exceptions=True)
        await self.presence.stop()


async def start_background_tasks(app: App, presence: NodePresence) -> BackgroundTasks:
    """Start the workers for the changes of all processes, the metrics server and the AMI connection.

    `presence`: of this node, which is registered. Raises `SettingsError` if the port of the metrics is in use.
    """
    outbox_runner = OutboxRunner(app.outbox, build_workers(app, app.ami_client))
    metrics_server = await _start_metrics_server(app, outbox_runner)
    await outbox_runner.start()
    ami_task = asyncio.create_task(app.ami_client.run_forever()) if app.ami_client else None
    presence.start()
    with background():
        greeting_cache = GreetingCache(app.media, app.recordings, app.clock)
        greeting_cache_task = asyncio.create_task(greeting_cache.run_forever())
    return BackgroundTasks(
        outbox_runner=outbox_runner,
        metrics_server=metrics_server,
        ami_task=ami_task,
        presence=presence,
        greeting_cache_task=greeting_cache_task,
    )


async def _start_metrics_server(app: App, outbox_runner: OutboxRunner) -> PageServer:
    server = PageServer({"/metrics": MetricsPage(app, outbox_runner.workers).render})
    host, port = app.settings.metrics.host, app.settings.metrics.port
    if port:
        try:
            with background():
                await server.start(host, port)
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {format_address(host, port)}: {error.strerror}: change host or port in [metrics]"
            ) from error
    return server


def build_workers(
    app: App, ami_client: AmiClient | None, *, is_service_start: bool = True, resync_lights: bool = True
) -> list[Worker]:
    """Build one worker for each kind of work, so that slow mail does not delay a light.

    `is_service_start`: mail renditions of an earlier run are removed. `resync_lights`: all lights are set anew.
    """
    settings = app.settings

    def new_worker(
        name: str, handlers: dict[TaskKind, Handler], max_concurrency: int = 1, max_per_account: int | None = None
    ) -> OutboxWorker:
        limits = WorkerLimits(
            max_concurrency=max_concurrency,
            max_per_account=max_per_account,
            retry_delays_s=tuple(settings.notifications.retry_delays_s),
        )
        return OutboxWorker(
            name, handlers, app.outbox, app.clock, on_outcome=app.metrics.count_notification, limits=limits
        )

    mail_enabled = bool(settings.mail.host)
    transcription_engine = choose_engine(settings.transcription)
    callback_client = ami_client if settings.notifications.call_context else None
    subscribers: list[Subscriber] = [
        MailSubscriber(
            settings.notifications,
            mail_enabled=mail_enabled,
            can_transcribe=partial(supports_language, transcription_engine),
        ),
        WebhookSubscriber(),
        *([CallSubscriber(settings.notifications)] if callback_client else []),
        *([ProgramSubscriber()] if settings.notifications.program else []),
    ]
    dispatcher = EventDispatcher(
        boxes=app.boxes,
        messages=app.messages,
        capacity=app.voicemail_services.capacity,
        pin_lockout=app.pin_lockout,
        subscribers=subscribers,
        on_event=app.metrics.count_event,
    )
    account_alarm = AccountAlarm(
        app.directory,
        recipient=settings.mail.administrator if mail_enabled else "",
        throttle_s=settings.notifications.throttle_s,
        on_event=app.metrics.count_event,
    )
    after_notify = AfterNotifyAction(app.boxes, app.messages, app.audit_log)
    workers: list[Worker] = [
        new_worker("events", {**dispatcher.handlers, **after_notify.handlers, **account_alarm.handlers}),
        MwiWorker(
            outbox=app.outbox,
            clock=app.clock,
            targets=app.mwi_targets,
            ami=ami_client,
            resync_on_connect=resync_lights,
        ),
        new_worker(
            "webhooks",
            WebhookSender(
                app.directory,
                app.clock,
                WebhookRequest(settings.notifications.webhook_networks),
                app.audit_log,
            ).handlers,
            max_concurrency=webhook.MAX_CONCURRENCY,
            max_per_account=webhook.MAX_PER_ACCOUNT,
        ),
    ]
    if settings.notifications.program:
        program = SiteProgram(settings.notifications.program, "[notifications] program")
        workers.append(
            new_worker(
                "programs",
                ProgramRunner(program, app.boxes, app.messages, app.clock).handlers,
                max_concurrency=mailbox_program.MAX_CONCURRENCY,
                max_per_account=mailbox_program.MAX_PER_ACCOUNT,
            )
        )
    if mail_enabled:
        renditions = app.renditions("mail-renditions")
        renditions.clear() if is_service_start and app.is_alone() else renditions.prepare()
        composer = MailComposer(
            templates=MailTemplates(settings.mail.template_folder),
            audio=MailAudio(
                renditions, mail_link_function(app), max_bytes=settings.mail.max_attachment_mb * BYTES_PER_MB
            ),
            capacity=app.voicemail_services.capacity,
            sender=settings.mail.sender,
        )
        mail_sender = MailSender(
            boxes=app.boxes,
            messages=app.messages,
            composer=composer,
            smtp=SmtpClient(settings.mail),
            audit_log=app.audit_log,
        )
        workers.append(new_worker("mail", mail_sender.handlers, max_concurrency=settings.mail.max_connections))
    if transcription_engine != "off":
        transcription = TranscriptionHandler(
            boxes=app.boxes,
            messages=app.messages,
            delivery=app.delivery,
            transcriber=SubprocessTranscriber(settings.transcription),
            mail_enabled=mail_enabled,
        )
        # One message is transcribed at a time. The second place is for another account, whose message is next.
        workers.append(new_worker("transcription", transcription.handlers, max_concurrency=2, max_per_account=1))
    if callback_client:
        new_message_calls = NewMessageCall(
            boxes=app.boxes,
            messages=app.messages,
            outbox=app.outbox,
            clock=app.clock,
            ami=callback_client,
            settings=settings.notifications,
        )
        workers.append(
            new_worker(
                "new-message calls", new_message_calls.handlers, max_concurrency=new_message_call.MAX_CONCURRENCY
            )
        )
    return workers


def mail_link_function(app: App) -> CreateLink:
    """Return the function that makes the links in mails: to the page of a message, or without the page to its audio.

    The page needs `/` of its host: where the address for the world is a folder of a host, links are to the audio.
    """
    settings = app.settings
    links = AudioLinks(app.peppers, app.clock, lifetime_s=settings.mail.link_lifetime_days * DAY_S)
    address = (settings.api.public_url or "").rstrip("/")
    has_page = settings.page.enabled and not urlsplit(address).path

    def create_link(message: Message) -> AudioLink | None:
        if not address:
            return None
        account_id, box_id, message_id = message.account_id, message.box_id, message.id
        path = message_page_path(box_id, message_id) if has_page else audio_path(account_id, box_id, message_id)
        signed_path, expires_at = links.create(path)
        return AudioLink(address + signed_path, expires_at)

    return create_link
