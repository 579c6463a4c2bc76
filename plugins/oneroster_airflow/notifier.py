"""Tells people, by the notifiers of Airflow that a site's preferences name.

E-mail goes by the connection `smtp_default` (or the one that `[email] email_conn_id` names), chat
and webhooks by connections of Apprise. All ways are tried at once, and what has not answered within
`BOUND_S` is given up. Of a way that fails the log names the kind of its error alone: an error's own
words may hold addresses, tokens and passwords.
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
from oneroster_sync.notifications import Told
from oneroster_sync.sites import allow_list, dag_names, preferences_store, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.engine import Connection

    from oneroster_sync.notifications import Message, Notice
    from oneroster_sync.runs import Run
    from oneroster_sync.sites.preferences import Notices

log = logging.getLogger("oneroster")

BOUND_S = 20.0
"""How long all the ways of one message together may take."""
_TALKATIVE = ("apprise", "urllib3", "requests_oauthlib")
"""Loggers that write addresses with tokens in them."""


class NotTakenError(OneRosterError):
    """No service of a connection of Apprise took the message."""


class PartlyTakenError(OneRosterError):
    """Some services of a connection of Apprise took the message, and some did not."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How the sending of one message went: by how many ways, and how the others failed."""

    worked: int
    failures: tuple[str, ...]


def notify_of_run(run: Run) -> None:
    """Tell people of a run that waits for a decision or has ended, once for a cause.

    It never fails and takes little more than `BOUND_S` at most. What could not be told is told by
    the next run of the same cause, or by the DAG `oneroster_watch` the next morning.
    """
    try:
        base_url = _base_url()
        with database.engine().connect() as connection:
            notice = notifications.of_run(connection, run, base_url=base_url)
            chosen = _ways_of(connection, run.site)
        if notice is not None:
            _tell(notice, chosen, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  being told is never in the way of a run
        kind = type(error).__name__
        log.warning("Notification for run %s could not be sent: %s.", run.run_id, kind)


def notify_of_dag_run(dag_id: str, dag_run_id: str) -> None:
    """Tell people of a DAG run that has failed, where nobody has told of its run yet.

    It is the last net: a run whose task `record` died, or that could not even begin, has nothing
    recorded by which `notify_of_run` would tell of it. It never fails.
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
                    connection, site, (dag_id, dag_run_id), run, base_url=_base_url()
                )
                chosen = _ways_of(connection, site)
        if run is not None and run.outcome is not None:
            notify_of_run(run)
        elif notice is not None:
            _tell(notice, chosen, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  nobody is left who could do better
        kind = type(error).__name__
        log.warning("Notification for DAG run %s could not be sent: %s.", dag_run_id, kind)


def notify_of_dag_file(filename: str) -> None:
    """Tell the people of all sites that the DAG file can't be read; each address once.

    It never fails.
    """
    told: set[tuple[Any, ...]] = set()
    try:
        with database.engine().connect() as connection:
            in_use = [
                name for name, of in registry.all_sites(connection).items() if not of.is_archived
            ]
            found = []
            for site in in_use:
                chosen = _ways_of(connection, site)
                notice = notifications.of_dag_file(
                    connection, site, filename, in_use, base_url=_base_url()
                )
                ways = (chosen.recipients, chosen.channels)
                if notice is not None and ways not in told:
                    told.add(ways)
                    found.append((notice, chosen))
        for notice, chosen in found:
            _tell(notice, chosen, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  nobody is left who could do better
        log.warning("Notification for a DAG file could not be sent: %s.", type(error).__name__)


def notify_of_sites(sites: Iterable[str], *, now: dt.datetime) -> list[str]:
    """Tell the people of sites what is due on a day; a site that has not been made has nobody.

    Returns:
        The sites of which something could not be told by any way.
    """
    missed = []
    for site in sites:
        try:
            if not _tell_site(site, now):
                missed.append(site)
        except preferences_store.UnknownSiteError:
            continue
        except Exception as error:  # noqa: BLE001  the other sites are told all the same
            log.warning("Site %s can't be looked at: %s.", site, type(error).__name__)
            missed.append(site)
    return missed


def send_trial(site: str, *, now: dt.datetime) -> Sent:
    """Send a test message to the people of a site, by every way that its preferences name.

    Raises:
        UnknownSiteError: The site has not been made.
    """
    with database.engine().connect() as connection:
        chosen = preferences_store.load(connection, site)
        ways = _ways_of(connection, site)
    return send(notifications.trial(chosen, _base_url(), now=now), ways)


def send(message: Message, chosen: Notices, *, within_s: float = BOUND_S) -> Sent:
    """Send a message by every way at once.

    Args:
        message: What people read.
        chosen: Who is told, and by which ways.
        within_s: What has not answered after so many seconds is given up.
    """
    ways = _ways(message, chosen)
    ended: dict[str, Exception | None] = {}

    def go(name: str, way: Callable[[], None]) -> None:
        try:
            way()
        except Exception as error:  # noqa: BLE001  a way that fails stops no other
            ended[name] = error
        else:
            ended[name] = None

    # Nothing can stop a socket that waits for ever, so nobody waits for who waits for it.
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


def _tell_site(site: str, now: dt.datetime) -> bool:
    """Tell the people of one site what is due, and return whether all of it could be told."""
    with database.engine().connect() as connection:
        chosen = _ways_of(connection, site)
        due = notifications.of_site(connection, site, base_url=_base_url(), now=now)
    outcomes = [_tell(notice, chosen, now) for notice in due]
    return Told.UNSENT not in outcomes


def _ways_of(connection: Connection, site: str) -> Notices:
    """Return whom a site notifies, without the channels that it may not use (any more)."""
    chosen, refused = allow_list.allowed_notices(
        connection, site, preferences_store.load(connection, site).notices
    )
    for channel in refused:
        log.warning("The site %s may not use the channel %s, so nothing goes there.", site, channel)
    return chosen


def _tell(notice: Notice, chosen: Notices, now: dt.datetime) -> Told:
    if not chosen.recipients and not chosen.channels:
        return Told.KNOWN
    told = notifications.tell(notice, lambda message: send(message, chosen).worked, now=now)
    if told is Told.SENT:
        log.info("People of site %s were told: %s.", notice.site, notice.topic)
    return told


def _ways(message: Message, chosen: Notices) -> dict[str, Callable[[], None]]:
    """Return how the message goes out, by the names under which a log tells of it."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    ways: dict[str, Callable[[], None]] = {}
    if chosen.recipients:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        mail = SmtpNotifier(
            to=list(chosen.recipients), subject=message.title(), html_content=message.html()
        )
        ways[f"e-mail (connection {mail.smtp_conn_id})"] = functools.partial(mail.notify, {})
    for channel in chosen.channels:
        ways[f"the connection {channel}"] = functools.partial(_notify, channel, message)
    if chosen.channels:
        import airflow.providers.apprise.hooks.apprise  # noqa: F401  before the clock runs
    return ways


def _notify(channel: str, message: Message) -> None:
    """Hand a message to the services of a connection, as Airflow's notifier for Apprise does.

    The notifier itself is not asked, because it does not tell whether anybody took the message.

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
        # Apprise escapes plain text for services that read HTML, and passes what has no format on
        # as it is. For those that read Markdown it would escape the dots of our links as well.
        reads_html = any(one.resolve_format(NotifyFormat.TEXT) == NotifyFormat.HTML for one in line)
        body_format = NotifyFormat.TEXT if reads_html else None
        sent = line.notify(body=message.text(), title=message.title(), body_format=body_format)
        taken.append(bool(sent))
    if not any(taken):
        raise NotTakenError
    if not all(taken):
        raise PartlyTakenError


def _kind_of(error: Exception) -> str:
    """Return an error without its words, with the number that a server gave it, if any."""
    number: Any = getattr(error, "smtp_code", None)
    return f"{type(error).__name__}{f' {number}' if number else ''}"


@functools.cache
def _base_url() -> str:
    """Return where Airflow is reached from outside."""
    from airflow.configuration import conf

    return str(conf.get("api", "base_url", fallback=None) or "http://localhost:8080")
