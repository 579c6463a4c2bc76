"""Take the screenshots of the documentation from the running product: `make pictures`.

A sample district is synced on every weekday of three weeks, so that the pages have data. Then a
package that removes most of its staff is uploaded, and its plan is held. A second site has no sync
yet and a few accounts that were made by hand: its first plan is held.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import random
import re
import uuid
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from browser import Page, browsing, close, log_in
from live import QUESTION, running, wait_for
from oneroster_sync import database, pipeline
from oneroster_sync.runs import Trigger
from oneroster_sync.runs.summary import BY_SCHEDULE
from oneroster_sync.sites import preferences_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import FloatRect, Locator, ViewportSize

    from live import Live

ACCOUNTS = (
    ("winnie.wickerbasket@example.org", "Winnie", "Wickerbasket"),
    ("livingood@staff.example", "Liam", "Livingood"),
    ("aisha.razzmatazz@staff.example", "A.", "Razzmatazz"),
    ("pat.retired@staff.example", "Pat", "Retired"),
)
"""Accounts with the login, the name and the mailbox of a person in the district, and of no person.
"""
ACCOUNT = """
insert into users (site, email, login, given_name, family_name, role, status, managed)
values ('hillside', %s, %s, %s, %s, 'teacher', 'active', false) returning id
"""
PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SAMPLE = "district-small-1.1.zip"
SATURDAY = 5
THEMES = ("light", "dark")
DAYS = 15
NEW = "hillside"
"""The site without a sync."""
GONE = "aisha"
"""A person who is missing in the newest package."""
WAITS = "waits for a decision"
"""The review stage's text for a held plan."""
WINDOW: ViewportSize = {"width": 1400, "height": 900}
NARROW: ViewportSize = {"width": 420, "height": 1200}
TALL = 4000
ROOM = 16
Package = dict[str, list[dict[str, str]]]


def main() -> None:
    """Take all screenshots again."""
    with running() as live:
        os.environ["ONEROSTER_HOME"] = str(live.home)
        live.oneroster("init", "--site", NEW, "--admin", "admin@example.org")
        for email, given, family in ACCOUNTS:
            live.rows(ACCOUNT, email, email, given, family)
        district = _sample()
        for number, moment in enumerate(_weekdays(DAYS), start=1):
            _sync(live.home / "day.zip", _day(district, number), moment)
        _prefer(live)
        for theme in THEMES:
            with browsing(theme) as page:
                log_in(page, live.origin)
                _take_before(page, live.origin, theme)
        live.admin.put("sites/default/enabled", {"enabled": True})
        rejected = live.follow(_upload_to_new(live, b"PK, and no more of it"))
        check = live.follow(_upload_to_new(live, _packed(district), "&check_only=true"))
        first = live.follow(_upload_to_new(live, _packed(district)))
        newest = live.follow(live.admin.upload(_packed(_day(district, DAYS + 6))))
        held = live.follow(live.admin.upload(_packed(_day(district, DAYS + 7, staff=0.3))))
        teacher = live.admin.get("sites/default/records", q=GONE)["records"][0]
        for theme in THEMES:
            with browsing(theme) as page:
                log_in(page, live.origin)
                _take_first(page, live.origin, theme, first["run_id"])
                _take(page, live.origin, theme, held["run_id"], newest["run_id"], teacher["id"])
                _take_trust(page, live.origin, theme, held, newest["run_id"])
                _take_settings(page, live.origin, theme)
                _take_sites(page, live.origin, theme)
                _take_ends(page, live.origin, theme, rejected["run_id"], check["run_id"])
            with browsing(theme, ignoring=("Failed to load",)) as page:
                log_in(page, live.origin)
                _take_failing(page, live.origin, theme)
            with browsing(theme, NARROW["width"], NARROW["height"]) as page:
                log_in(page, live.origin)
                _take_narrow(page, live.origin, theme, held["run_id"])


def _take_before(page: Page, origin: str, theme: str) -> None:
    """Take the pages of a site before its first sync."""
    home = f"{origin}/plugin/oneroster/sites"
    _look(page, f"{home}/{NEW}", "This site has never been synced")
    _keep(page, "new-site", theme, height=520)
    _look(page, f"{home}/default/preferences", "Sync off")
    page.get_by_text("Sync off", exact=True).click()
    page.get_by_text("The first sync runs on").wait_for()
    page.get_by_role("button", name="Switch on", exact=True).click(trial=True)
    _keep(page, "switch-on", theme, height=640)


def _take_ends(page: Page, origin: str, theme: str, rejected: str, check: str) -> None:
    """Take the pictures of a rejected package and of a file that was only checked."""
    home = f"{origin}/plugin/oneroster"
    _look(page, f"{home}/runs/{rejected}", "What to do next")
    _keep(page, "rejected", theme, height=720)
    _look(page, f"{home}/runs/{check}", "A sync would")
    _keep(page, "check", theme, height=1010)
    _look(page, f"{home}/sites/default/reports", "Decisions of a month")
    page.get_by_role("img", name=re.compile("^Active users after ")).wait_for()
    _keep(page, "reports", theme, height=760)
    _look(page, f"{home}/why?q=ra", "records in")
    _keep(page, "find", theme, height=420)


def _take_failing(page: Page, origin: str, theme: str) -> None:
    """Take the picture of a page whose server stops answering: what was read stays."""
    _look(page, f"{origin}/plugin/oneroster/sites", "New site…")
    page.locator("tbody tr").first.wait_for()
    page.route("**/oneroster/api/v1/**", lambda route: route.abort())
    page.get_by_text("The server does not answer.").wait_for()
    _keep(page, "no-answer", theme, height=520)


def _take_narrow(page: Page, origin: str, theme: str, held: str) -> None:
    """Take the pictures of pages on a telephone, where tables are stacks."""
    home = f"{origin}/plugin/oneroster"
    for name, address, shown in (
        ("sites-narrow", f"{home}/sites", "New site…"),
        ("recent-narrow", f"{home}/sites/default", "Changes and errors"),
        ("held-narrow", f"{home}/runs/{held}", WAITS),
        ("preferences-narrow", f"{home}/sites/default/preferences", "Next run:"),
    ):
        _look(page, address, shown)
        page.screenshot(path=PICTURES / f"{name}-{theme}.png")


def _take_sites(page: Page, origin: str, theme: str) -> None:
    """Take the list of all sites."""
    _look(page, f"{origin}/plugin/oneroster/sites", "New site…")
    page.locator("tbody tr").first.wait_for()
    _keep(page, "sites", theme, height=420)


def _take_first(page: Page, origin: str, theme: str, first: str) -> None:
    """Take the first package of a site that already has accounts."""
    home = f"{origin}/plugin/oneroster"
    _look(page, f"{home}/runs/{first}", WAITS)
    _keep(page, "first-held", theme, height=1010)
    _look(page, f"{home}/runs/{first}?tab=accounts", "Person in the export")
    _keep_around(page, "accounts", theme, page.get_by_role("tabpanel", name="Accounts"))
    _look(page, f"{home}/sites/{NEW}/upload?kind=links", "links.csv")
    _keep(page, "links", theme, height=1090)


def _take(page: Page, origin: str, theme: str, held: str, run: str, teacher: int) -> None:
    """Take the main pages."""
    home = f"{origin}/plugin/oneroster"
    for name, address, shown in (
        ("recent", f"{home}/sites/default", "Full log file"),
        ("preferences", f"{home}/sites/default/preferences", "Next run:"),
        ("upload", f"{home}/sites/default/upload", "OneRoster.zip"),
        ("run", f"{home}/runs/{run}", "Credited to"),
        ("changes", f"{home}/runs/{run}?tab=changes", "Before and after"),
        ("compare", f"{home}/runs/{run}?tab=compare", "still there"),
        ("report", f"{home}/runs/{run}?tab=report", "expectations met"),
        ("why", f"{home}/sites/default/why/user/{teacher}", "What changed"),
    ):
        _look(page, address, shown)
        _keep(page, name, theme)
    _look(page, f"{origin}/dags", "OneRoster watch")
    _keep(page, "dags", theme, height=1000)
    _look(page, f"{home}/runs/{run}?tab=log", "Jump to")
    page.get_by_label("Search the log").fill("csv")
    page.get_by_text(re.compile(r"\d of \d+ lines")).wait_for()
    _keep(page, "log", theme)
    _look(page, f"{home}/runs/{run}?tab=findings", "What to do")
    page.get_by_role("button", name="Show rows").first.click()
    page.get_by_role("columnheader", name="sourcedId").wait_for()
    _keep(page, "findings", theme)
    _look(page, f"{home}/runs/{held}", WAITS)
    _keep(page, "held", theme, height=1110)
    page.get_by_role("button", name=re.compile("^Approve: .*…$")).click()
    page.get_by_role("button", name=re.compile("^Approve: ")).click(trial=True)
    _keep(page, "approve", theme)


def _take_trust(page: Page, origin: str, theme: str, held: dict[str, Any], run: str) -> None:
    """Take the pages on which an operator decides."""
    _look(page, f"{origin}/plugin/oneroster/runs/{run}", "Credited to")
    page.get_by_role("button", name="Undo…").click()
    page.get_by_text("Preview").wait_for()
    page.get_by_role("button", name="Undo", exact=True).click(trial=True)
    _keep(page, "undo", theme)
    dag_run = held["dag_run"]
    where = f"{dag_run['dag_id']}/runs/{quote(dag_run['dag_run_id'], safe='')}"
    asked = f"{origin}/dags/{where}/tasks/{QUESTION}/required_actions"
    _look(page, asked, "See every change of the plan")
    _keep(page, "required-actions", theme, height=1240)


def _take_settings(page: Page, origin: str, theme: str) -> None:
    """Take the settings that apply to some days of the year."""
    preferences_page = f"{origin}/plugin/oneroster/sites/default/preferences"
    _look(page, preferences_page, "The next five syncs")
    today = dt.datetime.now(dt.UTC).date()
    monday = today + dt.timedelta(days=7 - today.weekday())
    page.get_by_label("First day", exact=True).fill(str(monday))
    page.get_by_label("Last day", exact=True).fill(str(monday + dt.timedelta(days=11)))
    page.get_by_label("Note", exact=True).fill("School break")
    page.get_by_text("Paused: School break").wait_for()
    _keep_part(page, "pauses", theme, "Schedule")
    page.set_viewport_size(WINDOW)
    page.get_by_role("button", name="Discard", exact=True).click()
    page.get_by_role("link", name="Advanced").click()
    page.get_by_text("Add-only mode", exact=True).click()
    page.get_by_label("Last day (UTC)").fill(f"{today.year + 1}-08-31")
    page.get_by_role("link", name="Schedule").click()
    page.get_by_text(f"Only adds, until {today.year + 1}-08-31").first.wait_for()
    _keep_part(page, "rollover", theme, "Schedule")
    page.get_by_role("link", name="Safety limits").click()
    page.get_by_text("Raise the limits for removals", exact=True).click()
    raised = page.get_by_role("group", name="The raised limit")
    raised.get_by_label("Percent").fill("100")
    page.get_by_label("How long", exact=True).select_option("until a day")
    page.get_by_label("Last day (UTC)").fill(f"{today.year + 1}-01-31")
    page.get_by_label("Note", exact=True).last.fill("Hill School closes")
    _keep_part(page, "limits", theme, "Safety limits")
    page.get_by_role("link", name="Notifications").click()
    page.get_by_label("E-mail addresses").fill("it.office@example.org\nprincipal@example.org")
    page.get_by_label("Channels").fill("oneroster_slack")
    _keep_part(page, "notifications", theme, "Notifications")


def _look(page: Page, address: str, shown: str) -> None:
    """Open an address and wait until a text is shown."""
    page.goto(address)
    page.get_by_text(shown).first.wait_for()
    page.wait_for_load_state("networkidle")


def _keep(page: Page, name: str, theme: str, height: int = WINDOW["height"]) -> None:
    """Take a screenshot of a window of this height."""
    page.set_viewport_size({**WINDOW, "height": height})
    page.screenshot(path=PICTURES / f"{name}-{theme}.png")
    page.set_viewport_size(WINDOW)


def _keep_part(page: Page, name: str, theme: str, part: str) -> None:
    """Take a screenshot of a part of a page; the window is tall, so that nothing covers it."""
    page.set_viewport_size({**WINDOW, "height": TALL})
    page.evaluate("document.activeElement.blur()")
    region = page.get_by_role("region", name=part, exact=True)
    region.screenshot(path=PICTURES / f"{name}-{theme}.png")


def _keep_around(page: Page, name: str, theme: str, part: Locator) -> None:
    """Take a screenshot of a part of a page that has no border, with some space around it."""
    page.set_viewport_size({**WINDOW, "height": TALL})
    box = part.bounding_box()
    assert box is not None, f"{name} is not on the page"
    room: FloatRect = {
        "x": box["x"] - ROOM,
        "y": box["y"],
        "width": box["width"] + 2 * ROOM,
        "height": box["height"] + ROOM,
    }
    page.screenshot(path=PICTURES / f"{name}-{theme}.png", clip=room)
    page.set_viewport_size(WINDOW)


def _upload_to_new(live: Live, packed: bytes, query: str = "") -> dict[str, Any]:
    """Upload a package to the new site, as soon as Airflow has parsed its DAGs."""
    site = f"sites/{NEW}"
    wait_for(lambda: live.admin.get(f"{site}/preferences")["enabled"] is not None or None)
    path = f"{site}/uploads?kind=package{query}"
    asked: dict[str, Any] = live.admin.ask("POST", path, content=packed)
    return asked


def _prefer(live: Live) -> None:
    """Save preferences that give the pages something to show."""
    now = live.admin.get("sites/default/preferences")
    year = dt.datetime.now(dt.UTC).year + 1
    summer = {"first_on": f"{year}-06-15", "last_on": f"{year}-08-15", "note": "Summer break"}
    settings = {**now["settings"], "pause_windows": [summer], "source": "/srv/sis/exports"}
    live.admin.put("sites/default/preferences", {"version": now["version"], "settings": settings})


def _sync(path: Path, package: Package, moment: dt.datetime) -> None:
    """Sync a package as the schedule would have done at a past time."""
    path.write_bytes(_packed(package))
    with database.engine().begin() as connection:
        chosen = preferences_store.load(connection, "default")
        if chosen.source != str(path):
            chosen = chosen.model_copy(update={"source": str(path)})
            preferences_store.save(connection, chosen, actor="admin", now=moment)
    request = pipeline.Request(
        run_id=str(uuid.uuid4()),
        site="default",
        package=None,
        trigger=Trigger.SCHEDULE,
        requested_by=BY_SCHEDULE,
    )
    took = iter(dt.timedelta(seconds=second) for second in range(1, 1000, 3))
    pipeline.sync(request, clock=lambda: moment + next(took))


def _weekdays(count: int) -> Iterator[dt.datetime]:
    """Yield the last weekdays at the schedule's hour, oldest first."""
    today = dt.datetime.now(dt.UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    days = [today - dt.timedelta(days=back) for back in range(count * 2, 0, -1)]
    yield from [day for day in days if day.weekday() < SATURDAY][-count:]


def _day(district: Package, number: int, staff: float = 1.0) -> Package:
    """Return the district on a day: some people join, some leave, some rows have errors."""
    chance = random.Random(number)
    users = [dict(row) for row in district["users"]]
    teachers = [row for row in users if row["role"] == "teacher"]
    gone = {row["sourcedId"] for row in teachers[3 : 3 + (number % 3 == 0)]}
    if staff < 1:
        gone = {row["sourcedId"] for row in teachers[int(staff * len(teachers)) :]}
    courses = [dict(row) for row in district["courses"]][: 74 + number]
    for row in chance.sample(courses, k=number % 5):
        row["title"] = f"{row['title']} ({2020 + number})"
    for row in chance.sample(teachers, k=number % 3):
        row["middleName"] = ""
        row["email"] = f"{row['givenName']}.{number}@example.org".lower()
    if number % 4 == 1:
        teachers[5]["email"] = "not an address"
        courses[7]["title"] = ""
    users = [row for row in users if row["sourcedId"] not in gone]
    offered = {row["sourcedId"] for row in courses}
    classes = [row for row in district["classes"] if row["courseSourcedId"] in offered]
    held = {row["sourcedId"] for row in classes}
    enrollments = [
        row
        for row in district["enrollments"]
        if row["classSourcedId"] in held and row["userSourcedId"] not in gone
    ]
    of_day = {"courses": courses, "users": users, "classes": classes, "enrollments": enrollments}
    return {**district, **of_day}


def _sample() -> Package:
    data = files("oneroster_sync.local") / "sample" / SAMPLE
    with zipfile.ZipFile(io.BytesIO(data.read_bytes())) as archive:
        return {
            Path(name).stem: list(csv.DictReader(io.StringIO(archive.read(name).decode())))
            for name in archive.namelist()
        }


def _packed(package: Package) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in package.items():
            text = io.StringIO()
            writer = csv.DictWriter(text, rows[0])
            writer.writeheader()
            writer.writerows(rows)
            archive.writestr(f"{name}.csv", text.getvalue())
    return packed.getvalue()


if __name__ == "__main__":
    try:
        main()
    finally:
        close()
