"""Messages: what happened, what to do, a link, and no personal data."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL
from hostile import PAYLOADS
from oneroster_sync import database, notifications, runs
from oneroster_sync.notifications import Link, Message, Points
from oneroster_sync.notifications.letterhead import PAGES
from oneroster_sync.sites.preferences import PauseWindow, StartedBy, Topic
from past import BASE_URL, EVERYBODY, Cause, choose, counts, day, had, made_at
from test_no_personal_data import NEVER, PERSONAL, marked, where

if TYPE_CHECKING:
    from conftest import Site
    from oneroster_sync.runs import Run

PROJECT = Path(__file__).resolve().parents[1]
HOLD = {
    "code": "guard.removals",
    "kind": "users",
    "found": 20,
    "of": 20,
    "text": "guard.removals: 20 of 20 users (100.0 %); less than 10 %.",
}


def of(run: Run) -> Message:
    """Return the message of a run's notification."""
    with database.engine().connect() as connection:
        notice = notifications.of_run(connection, run, base_url=BASE_URL)
    assert notice is not None
    return notice.message


def of_day(site: Site, topic: Topic, number: int) -> Message:
    """Return the message of a site's notification on a day."""
    choose(site, notices=EVERYBODY.model_copy(update={"topics": (topic,)}))
    with database.engine().connect() as connection:
        now = day(number, hour=6)
        (notice,) = notifications.of_site(connection, site.name, base_url=BASE_URL, now=now)
    return notice.message


def trial_of(site: Site, now: dt.datetime) -> Message:
    """Return the test message of a site."""
    with database.engine().connect() as connection:
        return notifications.of_trial(connection, site.name, base_url=BASE_URL, now=now)


def test_held(site: Site) -> None:
    """The message has the thresholds, the counts of the plan, the expiry, and a link to decide."""
    choose(site)
    plan = {**counts(added=1, deactivated=20), "courses": {"removed": 1, "errors": 0}}
    run = had(site, day(0), "held", plan_hash="h", reasons=[HOLD], counts=plan, expires_at=day(3))
    message = of(run)
    assert message.title().startswith("Approve? ")
    assert message.title().endswith(f" users would be deactivated — {site.name}")
    assert message.text() == (
        "Held: the plan of the scheduled sync of 2026-11-02 02:00 UTC needs an approval. Why:\n\n"
        "- guard.removals: 20 of 20 users (100.0 %); less than 10 %.\n\n"
        "The whole plan: 1 user added, 20 users deactivated, 1 course removed. "
        "Nothing of it was applied.\n\n"
        "What to do: look at the plan; an administrator then approves or discards it. If it is "
        "not what the SIS should say, fix the export and discard the plan.\n\n"
        "Expires 2026-11-05 02:00 UTC, then discarded.\n\n"
        f"The plan and the decision: https://airflow.example.org/af{PAGES}/runs/{run.run_id}\n"
    )


def test_failed(site: Site) -> None:
    """The message has the reason, and says that nothing changed and the next sync tries again."""
    choose(site)
    reasons = ["the roster database does not answer", "nothing was changed"]
    message = of(had(site, day(0), "failed", reasons=reasons))
    assert message.title() == f"Sync failed: the roster database does not answer — {site.name}"
    assert "could not continue. Nothing was changed." in message.text()
    assert "Why: the roster database does not answer.\n" in message.text()
    assert "The next sync tries again automatically" in message.text()


def test_rejected(site: Site) -> None:
    """The message lists each cause with its code and hint, in the stored order."""
    choose(site)
    causes = (Cause("package.lookalike", "", 1), Cause("schema.missing_header", "users.csv", 1))
    message = of(had(site, day(0), "rejected", causes=causes))
    points = [line for line in message.text().splitlines() if line.startswith("- ")]
    assert [line.rpartition("(")[2] for line in points] == [
        "package.lookalike)",
        "schema.missing_header)",
    ]
    assert points[1].startswith("- users.csv, 1 row: ")


def test_errors(site: Site) -> None:
    """The message has the number of rows and the five largest causes."""
    choose(site)
    codes = [f"row.invalid_{what}" for what in ("email", "enum", "date", "year", "boolean")]
    codes += ["row.too_long", "csv.unclosed_quote"]
    causes = tuple(Cause(code, "users.csv", 1000) for code in codes)
    run = had(site, day(0), "succeeded_with_errors", counts=counts(errors=7000), causes=causes)
    text = of(run).text()
    assert "Skipped: 7,000 rows of the package of the scheduled sync" in text
    assert "- users.csv, 1,000 rows: " in text
    assert text.count("(row.invalid_") == 5
    assert "- and 2 more causes\n" in text


def test_findings_that_follow_from_a_cause_are_left_out(site: Site) -> None:
    """One missing org is one point with all dependent rows; findings that follow are left out."""
    choose(site)
    causes = (
        Cause("reference.missing_target_record", "classes.csv, users.csv", 9000),
        Cause("reference.target_quarantined", "enrollments.csv", 8000, follows=1),
    )
    run = had(site, day(0), "no_changes", counts=counts(errors=9000), causes=causes)
    text = of(run).text()
    assert "- classes.csv, users.csv, 9,000 rows: " in text
    assert "enrollments.csv" not in text


def test_stale_with_the_same_package(site: Site) -> None:
    """The message says that the sync works, that the package is old, and which run read it."""
    run = had(site, day(0), sha256="a")
    for number in range(1, 6):
        had(site, day(number), "no_changes", sha256="a")
    message = of_day(site, Topic.STALE, 8)
    assert message.title() == f"No new export for 8 days — {site.name}"
    assert "5 syncs since have read the same package again." in message.text()
    assert "The sync works, but what it reads is old." in message.text()
    assert run.run_id in message.text()


def test_stale_without_any_package(site: Site) -> None:
    """The message says that no package came at all, and where to look."""
    made_at(site, day(0))
    had(site, day(1), "failed")
    message = of_day(site, Topic.STALE, 8)
    assert "No package has been read since the site was made on 2026-11-02." in message.text()
    assert "1 sync failed before a package was read." in message.text()
    assert "whether the sync is enabled" in message.text()
    assert f"{PAGES}/sites/{site.name}\n" in message.text()


def test_digest(site: Site) -> None:
    """The digest has the week's runs by outcome, their changes, held plans, and the next syncs."""
    had(site, day(0), sha256="a", applied_at=day(0), counts=counts(added=20))
    had(site, day(1), sha256="b", applied_at=day(1), counts=counts(added=1, updated=2, errors=4))
    had(site, day(2), "failed")
    waiting = had(site, day(3), "held", plan_hash="h", counts=counts(deactivated=9, errors=2))
    had(site, day(7), applied_at=day(7), counts=counts(added=500))
    message = of_day(site, Topic.DIGEST, 7)
    assert message.title() == (
        f"Week of 2026-11-02: 4 syncs, 23 changes, 1 plan to approve — {site.name}"
    )
    assert message.text() == (
        "4 syncs ran from 2026-11-02 to 2026-11-08.\n\n"
        "- succeeded: 2\n- held: 1\n- failed: 1\n\n"
        "Changed: 21 users added, 2 users updated.\n\n"
        "Rows with errors in the newest of them: 2.\n\n"
        "Approval needed: 1 plan.\n\n"
        "The plan of 2026-11-05 02:00 UTC: "
        f"https://airflow.example.org/af{PAGES}/runs/{waiting.run_id}\n\n"
        "The newest package was first read on 2026-11-03. No package at all has come since. "
        "1 sync failed before a package was read.\n\n"
        "Next, while the sync is enabled: 2026-11-10 02:00 UTC, "
        "2026-11-11 02:00 UTC, 2026-11-12 02:00 UTC.\n\n"
        f"Recent synchronizations: https://airflow.example.org/af{PAGES}/sites/{site.name}\n"
    )


def test_a_quiet_week(site: Site) -> None:
    """A week without a sync has a digest too: silence would look like a broken messenger."""
    text = of_day(site, Topic.DIGEST, 7).text()
    assert text.startswith("No sync ran from 2026-11-02 to 2026-11-08.\n\nChanged: nothing.\n\n")
    assert "Approval needed: none." in text


def test_trial(site: Site) -> None:
    """A test message says that it is one, and has the topics and the schedule."""
    choose(site)
    message = trial_of(site, day(0, hour=6))
    assert message.title() == f"Test message: notifications of this site arrive here — {site.name}"
    assert "There is nothing to do." in message.text()
    assert "Topics: held, failed, rejected, errors, stale, unapplied, digest." in message.text()
    assert "Schedule: Mon–Fri at 02:00 UTC. Next sync: 2026-11-03 02:00 UTC." in message.text()


def test_messages_say_what_starts_a_sync_where_no_schedule_does(site: Site) -> None:
    """A message says what starts the next sync: a new file, after a pause too, or the schedule."""
    had(site, day(2), sha256="a", applied_at=day(2), counts=counts(added=3))
    choose(site, source="/drop", started_by=StartedBy.NEW_FILE)
    text = of_day(site, Topic.DIGEST, 7).text()
    assert text.startswith(
        "1 sync ran from 2026-11-02 to 2026-11-08.\n\n- succeeded: 1\n\nChanged: 3 users added.\n\n"
    )
    assert "Next, while the sync is enabled: when a new file arrives.\n\n" in text

    window = PauseWindow(first_on=day(6).date(), last_on=day(20).date())
    choose(site, pause_windows=(window,))
    paused = "when a new file arrives, after the pause until 2026-11-22."
    assert f"Next, while the sync is enabled: {paused}" in of_day(site, Topic.DIGEST, 7).text()
    assert f"Next sync: {paused}" in trial_of(site, day(7)).text()

    choose(site, pause_windows=(), started_by=StartedBy.BOTH)
    text = of_day(site, Topic.DIGEST, 7).text()
    assert "2026-11-11 02:00 UTC, 2026-11-12 02:00 UTC, when a new file arrives." in text


def test_links_lead_to_the_pages() -> None:
    """The links use the same path as the pages themselves."""
    text = (PROJECT / "ui/src/lib/guide.tsx").read_text("utf-8")
    assert re.search(r'export const HOME = "(.+)";', text)[1] == PAGES  # type: ignore[index]


MESSAGE = Message(
    "A subject\nX-Injected: yes",
    (
        "a <b>bold</b> claim of ann.lee@example.org & sftp://user:pw@host/x",
        Points(("one\ttwo", "<script>")),
        Link("Go <on>", "https://x.example/?a=1&b='2'"),
    ),
)


def test_a_message_is_plain_text() -> None:
    """In plain text a paragraph is separate, points begin with a dash, a link follows its label."""
    assert MESSAGE.title() == "A subject X-Injected: yes"
    assert MESSAGE.text() == (
        "a b bold /b claim of … …\n\n- one two\n- script\n\nGo on: https://x.example/?a=1&b='2'\n"
    )


@pytest.mark.case("c06")
def test_a_message_is_html() -> None:
    """The HTML has the same text, with every character of markup escaped."""
    assert MESSAGE.html() == (
        "<p>a b bold /b claim of … …</p>\n"
        "<ul><li>one two</li><li>script</li></ul>\n"
        '<p><a href="https://x.example/?a=1&amp;b=&#x27;2&#x27;">Go on</a></p>\n'
    )


@pytest.mark.case("c06")
def test_no_text_becomes_markup_of_a_message() -> None:
    """For every text the HTML has only our own elements, and its links have only our addresses."""
    seen: list[tuple[str, list[tuple[str, str | None]]]] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attrs: seen.append((tag, attrs))  # type: ignore[method-assign]
    for text in PAYLOADS:
        reader.feed(Message(text, (text, Points((text, text)), Link(text, BASE_URL))).html())
    assert {tag for tag, _ in seen} == {"p", "ul", "li", "a"}
    assert {str(attrs) for tag, attrs in seen if tag != "a"} == {"[]"}
    assert {str(attrs) for tag, attrs in seen if tag == "a"} == {f"[('href', '{BASE_URL}')]"}


def test_names_of_a_package_are_not_repeated(site: Site) -> None:
    """A message names files and columns of the standard, but no name that only a package has."""
    choose(site)
    causes = (Cause("package.unknown_file", "Grades of Ann Lee.csv, users.csv", 1),)
    message = of(had(site, day(0), "rejected", causes=causes))
    assert "Ann Lee" not in message.text()
    assert "- users.csv, 1 row: " in message.text()


@pytest.mark.case("c15")
@pytest.mark.parametrize("profile", ["tolerant", "strict"])
def test_no_message_contains_personal_data(site: Site, profile: str) -> None:
    """No message contains personal data: held, applied with errors, rejected, or of a week."""
    choose(site)
    run = site.sync(marked(SCHOOL), "--profile", profile)
    messages = [of(runs.find(run["run_id"]))]
    if run["outcome"] == "held":
        site.command("approve", run["run_id"])
        messages.append(of(runs.find(run["run_id"])))
    now = dt.datetime.now(dt.UTC) + dt.timedelta(days=7)
    with database.engine().connect() as connection:
        due = notifications.of_site(connection, site.name, base_url=BASE_URL, now=now)
    messages += [
        *(notice.message for notice in due),
        trial_of(site, now),
    ]
    assert len(messages) >= (5 if profile == "tolerant" else 4)
    places = {message.title(): message.text() + message.html() for message in messages}
    assert [where(word, places) for word in (NEVER, PERSONAL, "@")] == [[], [], []]
    assert [word for word in (NEVER, PERSONAL, "@") if word in "".join(places)] == []
