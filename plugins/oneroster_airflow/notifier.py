"""Send notifications through the channels that a site's preferences name.

E-mail uses the connection `smtp_default` (or the one in `[email] email_conn_id`), chat and webhooks
use connections of Apprise. All channels are tried at once, and a channel that has not answered
within `BOUND_S` is given up. For a failed channel the log has only the type of the error: its text
may contain addresses, tokens and passwords.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneroster_sync import database, notifications, runs
from oneroster_sync.errors import OneRosterError
from oneroster_sync.notifications import Delivery
from oneroster_sync.sites import allow_list, dag_names, preferences_store, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.engine import Connection

    from oneroster_sync.notifications import Message, Notice
    from oneroster_sync.runs import Run
    from oneroster_sync.sites.preferences import Notices

log = logging.getLogger("oneroster")

BOUND_S = 20.0
"""Time limit for all channels of one message together, in seconds."""
_TALKATIVE = ("apprise", "urllib3", "requests_oauthlib")
"""Loggers that write addresses with tokens in them."""


class NotTakenError(OneRosterError):
    """No service of a connection of Apprise took the message."""


class PartlyTakenError(OneRosterError):
    """Some services of a connection of Apprise took the message, and some did not."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of sending one message: the number of channels, and the errors of the others."""

    worked: int
    failures: tuple[str, ...]


def notify_of_run(run: Run) -> None:
    """Notify people of a run that waits for a decision or has ended, once for each cause.

    It never raises and takes little more than `BOUND_S` at most. A message that can't be sent now
    is sent by the next run with the same cause, or by the DAG `oneroster_watch` the next morning.
    """
    try:
        with database.engine().connect() as connection:
            notice = notifications.of_run(connection, run, base_url=base_url())
            chosen = _ways_of(connection, run.site)
        if notice is not None:
            _send_notice(notice, chosen, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  a notification must never stop a run
        kind = type(error).__name__
        log.warning("Notification for run %s could not be sent: %s.", run.run_id, kind)


def notify_of_dag_run(dag_id: str, dag_run_id: str) -> None:
    """Notify people of a failed DAG run, unless they were notified of its run.

    It is the last resort: if the task `record` died or the run could not begin, `notify_of_run`
    finds no record of the failure. It never raises.
    """
    site = dag_names.site_of(dag_id)
    if site is None:
        return
    try:
        with database.engine().connect() as connection:
            try:
                run = runs.get(connection, dag_names.run_id_of(dag_id, dag_run_id))
            except runs.UnknownRunError:
                run = None
            if run is None or run.outcome is None:
                notice = notifications.of_dag_run(
                    connection, site, (dag_id, dag_run_id), run, base_url=base_url()
                )
                chosen = _ways_of(connection, site)
        if run is not None and run.outcome is not None:
            notify_of_run(run)
        elif notice is not None:
            _send_notice(notice, chosen, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  this is the last handler
        kind = type(error).__name__
        log.warning("Notification for DAG run %s could not be sent: %s.", dag_run_id, kind)


def notify_of_dag_file(filename: str) -> None:
    """Notify the people of all sites that the DAG file can't be read, each address once.

    It never raises.
    """
    notified: set[tuple[Any, ...]] = set()
    try:
        with database.engine().connect() as connection:
            in_use = [
                name for name, of in registry.all_sites(connection).items() if not of.is_archived
            ]
        for site in in_use:
            _notify_site_of_file(site, filename, in_use, notified)
    except Exception as error:  # noqa: BLE001  this is the last handler
        log.warning("Notification for a DAG file could not be sent: %s.", type(error).__name__)


def _notify_site_of_file(
    site: str, filename: str, in_use: list[str], notified: set[tuple[Any, ...]]
) -> None:
    """Notify the people of one site that were not notified yet; never raise."""
    try:
        with database.engine().connect() as connection:
            chosen = _ways_of(connection, site)
            ways = (chosen.recipients, chosen.channels)
            if ways in notified:
                return
            notice = notifications.of_dag_file(
                connection, site, filename, in_use, base_url=base_url()
            )
        if notice is not None:
            notified.add(ways)
            _send_notice(notice, chosen, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  the other sites are notified all the same
        kind = type(error).__name__
        log.warning("Site %s could not be notified of a DAG file: %s.", site, kind)


def notify_of_sites(sites: Iterable[str], *, now: dt.datetime) -> list[str]:
    """Send the notifications of sites that are due; a site that does not exist has no recipients.

    Returns:
        The sites with a notification that no channel could send.
    """
    missed = []
    for site in sites:
        try:
            if not _notify_site(site, now):
                missed.append(site)
        except preferences_store.UnknownSiteError:
            continue
        except Exception as error:  # noqa: BLE001  the other sites are notified all the same
            log.warning("Site %s could not be checked: %s.", site, type(error).__name__)
            missed.append(site)
    return missed


def send_trial(site: str, *, now: dt.datetime) -> Sent:
    """Send a test message through every channel that a site's preferences name.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    with database.engine().connect() as connection:
        message = notifications.of_trial(connection, site, base_url=base_url(), now=now)
        ways = _ways_of(connection, site)
    return send(message, ways)


def send(message: Message, chosen: Notices, *, within_s: float = BOUND_S) -> Sent:
    """Send a message through all channels at once.

    Args:
        message: The message.
        chosen: The recipients and channels.
        within_s: Seconds after which a channel without an answer is given up.
    """
    ways = _ways(message, chosen)
    ended: dict[str, Exception | None] = {}

    def go(name: str, way: Callable[[], None]) -> None:
        try:
            way()
        except Exception as error:  # noqa: BLE001  a failed channel must not stop the others
            ended[name] = error
        else:
            ended[name] = None

    # A blocked socket can't be interrupted, so the threads are daemons and not joined for ever.
    threads = [threading.Thread(target=go, args=way, daemon=True) for way in ways.items()]
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    late = TimeoutError()
    results = {name: ended.get(name, late) for name in ways}
    failures = tuple(
        f"{name}: {_kind_of(error)}" for name, error in results.items() if error is not None
    )
    for failure in failures:
        log.warning("A message was not sent by %s.", failure)
    partly = sum(isinstance(error, PartlyTakenError) for error in results.values())
    return Sent(len(ways) - len(failures) + partly, failures)


def _notify_site(site: str, now: dt.datetime) -> bool:
    """Send the notifications of one site that are due; return whether all could be sent."""
    with database.engine().connect() as connection:
        chosen = _ways_of(connection, site)
        due = notifications.of_site(connection, site, base_url=base_url(), now=now)
    outcomes = [_send_notice(notice, chosen, now) for notice in due]
    return Delivery.UNSENT not in outcomes


def _ways_of(connection: Connection, site: str) -> Notices:
    """Return a site's recipients and channels, without channels that it may not use."""
    chosen, refused = allow_list.allowed_notices(
        connection, site, preferences_store.load(connection, site).notices
    )
    for channel in refused:
        log.warning(
            "The site %s may not use the channel %s: no message is sent there.", site, channel
        )
    return chosen


def _send_notice(notice: Notice, chosen: Notices, now: dt.datetime) -> Delivery:
    if not chosen.recipients and not chosen.channels:
        return Delivery.KNOWN
    delivery = notifications.send_once(
        notice, lambda message: send(message, chosen).worked, now=now
    )
    if delivery is Delivery.SENT:
        log.info("Notification of site %s was sent: %s.", notice.site, notice.topic)
    return delivery


def _ways(message: Message, chosen: Notices) -> dict[str, Callable[[], None]]:
    """Return name in the log → function that sends the message, for each channel."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    ways: dict[str, Callable[[], None]] = {}
    if chosen.recipients:
        mail = _mail(message, chosen.recipients)
        ways[f"e-mail (connection {mail.smtp_conn_id})"] = functools.partial(mail.notify, {})
    for channel in chosen.channels:
        ways[f"the connection {channel}"] = functools.partial(_notify, channel, message)
    if chosen.channels:
        import airflow.providers.apprise.hooks.apprise  # noqa: F401  before the clock runs
    return ways


def _mail(message: Message, recipients: Iterable[str]) -> Any:
    """Return Airflow's notifier of a mail that has the message as plain text and as HTML.

    Airflow's hook makes a mail of HTML alone, which some readers show as an empty page and some
    filters take for advertising. Where another version of the provider makes mails elsewhere, the
    HTML goes out as it did.
    """
    from email.mime.text import MIMEText

    from airflow.providers.smtp.hooks.smtp import SmtpHook
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    class Hook(SmtpHook):
        def _build_mime_message(self, *args: Any, **named: Any) -> Any:
            made, to = super()._build_mime_message(*args, **named)
            parts = made.get_payload()
            # The last part of an alternative is the one that readers prefer.
            made.set_payload([MIMEText(message.text(), "plain", "utf-8"), *parts])
            return made, to

    mail = SmtpNotifier(
        to=list(recipients),
        subject=message.title(),
        html_content=message.html(),
        mime_subtype="alternative",
    )
    mail.__dict__["hook"] = Hook(smtp_conn_id=mail.smtp_conn_id, auth_type=mail.auth_type)
    return mail


def _notify(channel: str, message: Message) -> None:
    """Send a message to the services of an Apprise connection, like Airflow's notifier.

    Airflow's notifier is not used, because it does not report whether any service took the message.

    Raises:
        NotTakenError: No service took it.
        PartlyTakenError: Not all services did.
    """
    from airflow.providers.apprise.hooks.apprise import AppriseHook
    from apprise import Apprise, NotifyFormat

    hook = AppriseHook(channel)
    named = hook.get_config_from_conn(hook.get_connection(channel))
    taken = []
    for service in named if isinstance(named, list) else [named]:
        line = Apprise()
        line.add(service["path"])
        # Apprise escapes plain text for services that read HTML, and passes text without a format
        # unchanged. With a format it would also escape the dots of our links for Markdown services.
        reads_html = any(one.resolve_format(NotifyFormat.TEXT) == NotifyFormat.HTML for one in line)
        body_format = NotifyFormat.TEXT if reads_html else None
        sent = line.notify(body=message.text(), title=message.title(), body_format=body_format)
        taken.append(bool(sent))
    if not any(taken):
        raise NotTakenError
    if not all(taken):
        raise PartlyTakenError


def _kind_of(error: Exception) -> str:
    """Return an error's type, with the status number of the server, if any."""
    number: Any = getattr(error, "smtp_code", None)
    return f"{type(error).__name__}{f' {number}' if number else ''}"


@functools.cache
def base_url() -> str:
    """Return Airflow's public URL."""
    from airflow.configuration import conf

    return str(conf.get("api", "base_url", fallback=None) or "http://localhost:8080")
