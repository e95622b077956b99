"""All checks, in the order in which an administrator corrects things."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ivr.doctor import connections, host, mail, notifications, prompt_checks, running_service
from ivr.doctor.api_keys import check_api_keys
from ivr.doctor.asterisk import check_asterisk
from ivr.doctor.connections import check_ari
from ivr.doctor.installation import Installation
from ivr.doctor.nodes import check_nodes
from ivr.doctor.tls_certificate import check_tls_certificate
from ivr.doctor.unit import check_socket, check_unit
from ivr.doctor.versions import check_installed_files
from ivr.health.finding import Finding

CHECKS: tuple[Callable[[Installation], Iterator[Finding]], ...] = (
    host.check_configuration,
    check_installed_files,
    host.check_health,
    host.check_secret_files,
    host.check_database,
    host.check_account_settings,
    check_api_keys,
    notifications.check_outbox,
    notifications.check_webhooks,
    mail.check_mail_server,
    mail.check_mail_templates,
    mail.check_mail_links,
    host.check_fallback_recordings,
    check_nodes,
    prompt_checks.check_sounds,
    prompt_checks.check_languages,
    host.check_ffmpeg,
    check_unit,
    check_socket,
    running_service.check_fastagi,
    running_service.check_rest,
    check_tls_certificate,
    running_service.check_running_service,
    check_asterisk,
    connections.check_ami,
    check_ari,
)


def run_checks(installation: Installation) -> Iterator[Finding]:
    """Run all checks. A defective installation causes findings, never an exception."""
    for check in CHECKS:
        yield from check(installation)
