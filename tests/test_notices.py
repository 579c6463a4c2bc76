"""A cause is notified once, and again only after something else happened in between."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import database, notifications
from oneroster_sync.notifications import Delivery, Message, Notice
from oneroster_sync.notifications.overdue import find_overdue
from oneroster_sync.runs import Outcome
from oneroster_sync.sites import maintenance, preferences_store
from oneroster_sync.sites.preferences import Notices, PauseWindow, StartedBy, Topic
from past import BASE_URL, EVERYBODY, Cause, choose, counts, day, had

if TYPE_CHECKING:
    import datetime as dt

    from conftest import Site
    from oneroster_sync.runs import Run

MANY = counts(errors=10)
FEW = counts(errors=9)


def of_run(run: Run) -> Notice | None:
    """Return the notification that a run causes, or None."""
    with database.engine().connect() as connection:
        return notifications.of_run(connection, run, base_url=BASE_URL)


def of_site(site: Site, now: dt.datetime) -> list[Notice]:
    """Return the notifications that a site causes."""
    with database.engine().connect() as connection:
        return notifications.of_site(connection, site.name, base_url=BASE_URL, now=now)


def send(run: Run, now: dt.datetime) -> Delivery:
    """Send the notification of a run, and return the result."""
    notice = of_run(run)
    assert notice is not None
    return notifications.send_once(notice, lambda _: 1, now=now)


def watch(site: Site, now: dt.datetime) -> list[Topic]:
    """Send the notifications that are due on a day, and return the topics of those sent."""
    return [
        n.topic
        for n in of_site(site, now)
        if notifications.send_once(n, one_way, now=now) is Delivery.SENT
    ]


def one_way(message: Message) -> int:
    """Send a message through one channel that works."""
    assert message.text()
    return 1


def noted(site: Site) -> list[tuple[Any, ...]]:
    """Return the records of sent notifications."""
    return site.rows("select topic, ways, run_id from notices where site = :site order by id")


@pytest.mark.parametrize(
    ("outcome", "values", "topic"),
    [
        ("held", {"plan_hash": "h"}, Topic.HELD),
        ("held", {"plan_hash": "h", "decision": "approved"}, None),
        ("failed", {}, Topic.FAILED),
        ("rejected", {}, Topic.REJECTED),
        ("succeeded", {"counts": counts()}, None),
        ("succeeded_with_errors", {"counts": FEW}, None),
        ("succeeded_with_errors", {"counts": MANY}, Topic.ERRORS),
        ("no_changes", {"counts": MANY}, Topic.ERRORS),
        ("held", {"plan_hash": "h", "counts": MANY}, Topic.HELD),
        ("discarded", {"counts": MANY}, None),
        ("superseded", {"counts": MANY}, None),
        ("skipped", {}, None),
    ],
)
def test_outcomes_that_need_a_person_are_notified(
    site: Site, outcome: str, values: dict[str, Any], topic: Topic | None
) -> None:
    """Outcomes that need a person are notified; decisions of a person and good outcomes are not."""
    choose(site)
    notice = of_run(had(site, day(0), outcome, **values))
    assert (notice and notice.topic) == topic


def test_every_outcome_is_in_the_table() -> None:
    """The table above has every outcome."""
    (mark,) = test_outcomes_that_need_a_person_are_notified.pytestmark
    assert {case[0] for case in mark.args[1]} == {outcome.value for outcome in Outcome}


@pytest.mark.parametrize("topic", list(Topic))
def test_people_choose_their_topics(site: Site, topic: Topic) -> None:
    """A topic that a site does not choose is not notified."""
    others = tuple(other for other in Topic if other is not topic)
    choose(site, notices=EVERYBODY.model_copy(update={"topics": others}))
    had(site, day(0), "held", plan_hash="h")
    had(site, day(1), "rejected", sha256="a")
    for number in range(3):
        had(site, day(15, hour=number), "superseded")
    made = [of_run(had(site, day(2), outcome)) for outcome in ("failed", "rejected", "held")]
    made += [of_run(had(site, day(2), "no_changes", counts=MANY)), *of_site(site, day(21))]
    assert {notice.topic for notice in made if notice} == set(others)


def test_how_many_errors_are_notified_is_a_preference(site: Site) -> None:
    """A preference sets how many rows with errors are notified, with immediate effect."""
    run = had(site, day(0), "succeeded_with_errors", counts=counts(errors=3))
    choose(site)
    assert of_run(run) is None
    choose(site, notices=Notices(recipients=("ops@example.org",), errors_from=3))
    assert of_run(run) is not None


def test_a_sent_notification_is_recorded(site: Site) -> None:
    """A sent notification is recorded with topic, run and number of channels."""
    choose(site)
    run = had(site, day(0), "failed")
    notice = of_run(run)
    assert notice is not None
    assert notifications.send_once(notice, lambda _: 2, now=day(0)) is Delivery.SENT
    assert [(t, w, str(r)) for t, w, r in noted(site)] == [("failed", 2, run.run_id)]


def test_an_unsent_notification_is_sent_at_the_next_occasion(site: Site) -> None:
    """If no channel works, nothing is recorded, and the next occasion sends the notification."""
    choose(site)
    notice = of_run(had(site, day(0), "failed"))
    assert notice is not None
    assert notifications.send_once(notice, lambda _: 0, now=day(0)) is Delivery.UNSENT
    with pytest.raises(ConnectionError):
        notifications.send_once(notice, _break, now=day(0))
    assert noted(site) == []
    assert watch(site, day(0, hour=6)) == [Topic.FAILED, Topic.DIGEST]
    assert notifications.send_once(notice, _break, now=day(0, hour=7)) is Delivery.KNOWN


def _break(_: Message) -> int:
    raise ConnectionError


def test_two_processes_send_a_notification_once(site: Site) -> None:
    """While one process sends a notification, another one neither sends it nor waits."""
    choose(site)
    notice = of_run(had(site, day(0), "failed"))
    assert notice is not None
    sending, done = threading.Event(), threading.Event()

    def slowly(_: Message) -> int:
        sending.set()
        assert done.wait(20)
        return 1

    first = threading.Thread(
        target=notifications.send_once, args=(notice, slowly), kwargs={"now": day(0)}
    )
    first.start()
    assert sending.wait(20)
    assert notifications.send_once(notice, _break, now=day(0)) is Delivery.KNOWN
    done.set()
    first.join(20)
    assert len(noted(site)) == 1


def test_a_held_plan_is_notified_once(site: Site) -> None:
    """The same held plan is notified once, and another plan again."""
    choose(site)
    assert send(had(site, day(0), "held", plan_hash="h"), day(0)) is Delivery.SENT
    assert send(had(site, day(1), "held", plan_hash="h"), day(1)) is Delivery.KNOWN
    had(site, day(2))
    assert send(had(site, day(3), "held", plan_hash="h"), day(3)) is Delivery.KNOWN
    assert send(had(site, day(4), "held", plan_hash="i"), day(4)) is Delivery.SENT


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("there is no package at /srv/sis/2026-11-02.zip", "there is no package at /x/y.zip"),
        ("stage diff was the last to end after 12 s", "stage diff was the last to end after 9 s"),
        (
            "run 6f1f0d0e-0a53-4e43-9a3f-5f0c9b6f2a51 was cut off",
            "run b9d3c1aa-1bcd-4fee-8d2a-aa0c9b6fcafe was cut off",
        ),
    ],
)
def test_a_failure_is_notified_once(site: Site, first: str, again: str) -> None:
    """A failure with the same reason but other ids, paths or numbers is the same cause."""
    choose(site)
    assert send(had(site, day(0), "failed", reasons=[first]), day(0)) is Delivery.SENT
    assert send(had(site, day(1), "failed", reasons=[again]), day(1)) is Delivery.KNOWN
    other = had(site, day(2), "failed", reasons=["the roster database does not answer"])
    assert send(other, day(2)) is Delivery.SENT


@pytest.mark.parametrize("well", ["succeeded", "succeeded_with_errors", "no_changes"])
def test_a_failure_after_a_good_run_is_notified_again(site: Site, well: str) -> None:
    """A failure is notified again after a good run."""
    choose(site)
    assert send(had(site, day(0), "failed"), day(0)) is Delivery.SENT
    had(site, day(1), well)
    assert send(had(site, day(2), "failed"), day(2)) is Delivery.SENT


@pytest.mark.parametrize("between", ["held", "rejected", "discarded", "skipped", "failed"])
def test_a_failure_without_a_good_run_is_not_notified_again(site: Site, between: str) -> None:
    """A failure is not notified again as long as no run was good."""
    choose(site)
    assert send(had(site, day(0), "failed", reasons=["x"]), day(0)) is Delivery.SENT
    had(site, day(1), between, reasons=["y"])
    assert send(had(site, day(2), "failed", reasons=["x"]), day(2)) is Delivery.KNOWN


def test_a_rejection_is_notified_once_for_its_codes(site: Site) -> None:
    """A rejection for the same codes is the same cause; an additional code makes a new one."""
    choose(site)

    def rejected(number: int, *causes: Cause) -> Delivery:
        return send(had(site, day(number), "rejected", causes=causes), day(number))

    header, bytes_ = "schema.missing_header", "csv.invalid_utf8"
    assert rejected(0, Cause(header, "users.csv", 1)) is Delivery.SENT
    assert rejected(1, Cause(header, "users.csv", 9)) is Delivery.KNOWN
    more = Cause(header, "users.csv", 1), Cause(bytes_, "orgs.csv", 1)
    assert rejected(2, *more) is Delivery.SENT
    assert rejected(3, *reversed(more)) is Delivery.KNOWN


def test_errors_are_notified_again_only_after_a_change(site: Site) -> None:
    """Errors are notified again only if their codes change, they are tenfold, or they return."""
    choose(site)

    def with_errors(number: int, rows: int, code: str = "row.invalid_email") -> Delivery:
        causes = (Cause(code, "users.csv", rows),)
        run = had(site, day(number), "no_changes", counts=counts(errors=rows), causes=causes)
        return send(run, day(number))

    assert with_errors(0, 10) is Delivery.SENT
    assert with_errors(1, 12) is Delivery.KNOWN
    assert with_errors(2, 120) is Delivery.SENT
    assert with_errors(3, 12) is Delivery.KNOWN
    assert with_errors(4, 12, "row.invalid_enum") is Delivery.SENT
    had(site, day(5), "succeeded_with_errors", counts=FEW)
    assert with_errors(6, 12) is Delivery.SENT


@pytest.mark.case("b47")
def test_errors_are_notified_when_their_causes_change(site: Site) -> None:
    """Errors are notified again if they move to another column, but not because time passes."""
    choose(site)

    def night(number: int, column: str, **values: Any) -> Delivery:
        causes = (Cause("row.invalid_enum", "users.csv", 12, column=column),)
        run = had(site, day(number), "succeeded_with_errors", counts=MANY, causes=causes, **values)
        return send(run, day(number))

    assert [night(number, "role") for number in range(3)] == [
        Delivery.SENT,
        Delivery.KNOWN,
        Delivery.KNOWN,
    ]
    assert night(3, "status") is Delivery.SENT


@pytest.mark.case("b47")
@pytest.mark.parametrize(
    "between",
    [
        {"kind": "ids"},
        {"kind": "users"},
        {"undoes": True},
        {"removals_of": True},
        {"bulk_in_plan": ["orgs"]},
    ],
    ids=str,
)
def test_a_run_of_other_files_fixes_no_errors(site: Site, between: dict[str, Any]) -> None:
    """An upload, undo or delta does not contain the rows with errors, so it proves no fix."""
    choose(site)
    causes = (Cause("row.invalid_enum", "users.csv", 12),)
    whole = ["users", "orgs"]

    def night(number: int) -> Delivery:
        values: dict[str, Any] = {"counts": MANY, "bulk_in_plan": whole}
        run = had(site, day(number), "succeeded_with_errors", causes=causes, **values)
        between.update({name: run.run_id for name, value in between.items() if value is True})
        return send(run, day(number))

    assert night(0) is Delivery.SENT
    had(site, day(0, hour=12), "succeeded", counts=counts(), **between)
    assert night(1) is Delivery.KNOWN
    had(site, day(1, hour=12), "succeeded", counts=counts(), bulk_in_plan=whole)
    assert night(2) is Delivery.SENT


def test_staleness_is_notified_once_and_then_weekly(site: Site) -> None:
    """Missing packages are notified on the seventh day and then weekly; a new package restarts."""
    choose(site, notices=EVERYBODY.model_copy(update={"topics": (Topic.STALE,)}))
    had(site, day(0), sha256="a")
    days = [number for number in range(30) if watch(site, day(number, hour=6))]
    assert days == [7, 14, 21, 28]
    had(site, day(30), sha256="b")
    assert [number for number in range(30, 45) if watch(site, day(number, hour=6))] == [37, 44]


def test_the_digest_comes_on_mondays(site: Site) -> None:
    """The weekly digest is sent on Mondays, or the next day if a Monday was missed."""
    choose(site, notices=EVERYBODY.model_copy(update={"topics": (Topic.DIGEST,)}))
    missed = {14}
    days = [d for d in range(28) if d not in missed and watch(site, day(d, hour=6))]
    assert days == [0, 7, 15, 21]


def test_the_watch_notifies_of_held_plans(site: Site) -> None:
    """A held plan whose notification was not sent is notified once, the next morning."""
    choose(site)
    had(site, day(0), "held", plan_hash="h", expires_at=day(4))
    had(site, day(1))
    assert Topic.HELD in watch(site, day(1, hour=6))
    assert watch(site, day(2)) == []


def test_expired_and_decided_plans_are_not_notified(site: Site) -> None:
    """A held plan that expired or was decided is not notified."""
    choose(site)
    had(site, day(0), "held", plan_hash="h", expires_at=day(1))
    had(site, day(0), "held", plan_hash="i", decision="discarded")
    assert watch(site, day(1, hour=6)) == [Topic.DIGEST]


def test_a_failure_before_a_good_run_is_not_notified_late(site: Site) -> None:
    """A failure is not notified after a good run, even if no notification was sent before."""
    choose(site)
    had(site, day(0), "failed")
    had(site, day(1), sha256="a")
    assert watch(site, day(1, hour=6)) == [Topic.DIGEST]


def test_sites_are_notified_separately(site: Site) -> None:
    """A notification at one site does not count for another site."""
    choose(site)
    other = type(site)(f"{site.name}-other", site.folder)
    other.command("init", "--admin", "admin@district.example")
    choose(other)
    assert send(had(site, day(0), "failed"), day(0)) is Delivery.SENT
    assert send(had(other, day(0), "failed"), day(0)) is Delivery.SENT


def switch(site: Site, event: str, at: dt.datetime) -> None:
    """Record that a site's sync was switched on or off."""
    with database.engine().begin() as connection:
        preferences_store.note_event(connection, site.name, "Ann", event, {}, now=at)


def late(site: Site, now: dt.datetime) -> list[str]:
    """Return the notifications of a late sync."""
    return [
        message for notice in of_site(site, now) if "Late:" in (message := notice.message.text())
    ]


def test_a_late_sync_is_notified(site: Site) -> None:
    """A sync that is not done by its deadline is notified once, whatever the reason."""
    choose(site, done_within_hours=3)
    switch(site, "sync_enabled", day(0, hour=12))
    (sentence,) = late(site, day(1, hour=6))
    assert "the sync of 2026-11-03 02:00 UTC was not done by 2026-11-03 05:00 UTC" in sentence
    assert Topic.FAILED in watch(site, day(1, hour=6))
    assert Topic.FAILED not in watch(site, day(1, hour=7))
    had(site, day(1, hour=2), "held", plan_hash="h")
    assert len(late(site, day(1, hour=6))) == 1
    had(site, day(1, hour=5))  # it ends well ten minutes later, after the deadline
    assert len(late(site, day(1, hour=6))) == 1


def test_a_sync_in_time_is_not_notified(site: Site) -> None:
    """A sync that is done in time, not due yet or not scheduled is not notified."""
    choose(site, done_within_hours=3)
    switch(site, "sync_enabled", day(0, hour=12))
    assert late(site, day(1, hour=4)) == []
    had(site, day(1, hour=3), "no_changes")
    assert late(site, day(1, hour=6)) == []
    assert late(site, day(6, hour=6)) == []  # a Sunday


@pytest.mark.parametrize(
    "why", ["not_asked", "off", "never_on", "pause", "maintenance", "younger", "files"]
)
def test_a_sync_that_is_not_expected_is_never_late(site: Site, why: str) -> None:
    """A late sync is not notified if a site does not ask for it or does not expect the sync."""
    pauses = (PauseWindow(first_on=day(1).date(), last_on=day(9).date()),)
    choose(
        site,
        done_within_hours=None if why == "not_asked" else 3,
        pause_windows=pauses if why == "pause" else (),
        **({"source": "/x", "started_by": StartedBy.NEW_FILE} if why == "files" else {}),
    )
    if why != "never_on":
        switch(site, "sync_enabled", day(0, hour=12))
    if why == "off":
        switch(site, "sync_disabled", day(0, hour=13))
    now = day(1, hour=6)
    if why == "younger":
        now = day(0, hour=6)
    with database.engine().connect() as connection, connection.begin() as transaction:
        if why == "maintenance":
            maintenance.begin(connection, "the SIS moves", by="Ann", now=day(0))
        chosen = preferences_store.load(connection, site.name)
        assert find_overdue(connection, chosen, now=now) is None
        transaction.rollback()
