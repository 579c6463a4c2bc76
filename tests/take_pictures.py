"""Takes the pictures of the documentation from the running product: `make pictures`.

A sample district is synced every weekday for three weeks, each at its own time, so that the pages
have something to show; then a package is uploaded that empties most of it, and is held.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import random
import uuid
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from browser import Page, browsing, log_in
from live import running
from oneroster_sync import sync
from oneroster_sync.sentences import BY_SCHEDULE
from oneroster_sync.store import database, preferences
from oneroster_sync.store.runs import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Live

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SAMPLE = "district-small-1.1.zip"
SATURDAY = 5
THEMES = ("light", "dark")
DAYS = 15
Package = dict[str, list[dict[str, str]]]


def main() -> None:
    """Take all pictures anew."""
    with running() as live:
        os.environ["ONEROSTER_HOME"] = str(live.home)
        district = _sample()
        for number, moment in enumerate(_weekdays(DAYS), start=1):
            _sync(live.home / "day.zip", _day(district, number), moment)
        _prefer(live)
        newest = live.follow(live.admin.upload(_packed(_day(district, DAYS + 2))))
        held = live.follow(live.admin.upload(_packed(_day(district, DAYS + 3, staff=0.3))))
        teacher = live.admin.get("sites/default/records", q="fizz")["records"][0]
        for theme in THEMES:
            with browsing(theme) as page:
                log_in(page, live.origin)
                _take(page, live.origin, theme, held["run_id"], newest["run_id"], teacher["id"])


def _take(page: Page, origin: str, theme: str, held: str, run: str, teacher: int) -> None:
    """Look at every page and keep what is seen."""
    home = f"{origin}/plugin/oneroster"
    for name, address, shown in (
        ("recent", f"{home}/sites/default", "Full log file"),
        ("preferences", f"{home}/sites/default/preferences", "The next five syncs"),
        ("upload", f"{home}/sites/default/upload", "OneRoster.zip"),
        ("held", f"{home}/runs/{held}", "This plan waits for a person"),
        ("run", f"{home}/runs/{run}", "Credited to"),
        ("changes", f"{home}/runs/{run}?tab=changes", "Before and after"),
        ("findings", f"{home}/runs/{run}?tab=findings", "What to do"),
        ("report", f"{home}/runs/{run}?tab=report", "expectations met"),
        ("log", f"{home}/runs/{run}?tab=log", "Jump to"),
        ("why", f"{home}/sites/default/why/user/{teacher}", "What changed"),
    ):
        page.goto(address)
        page.get_by_text(shown).first.wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=PICTURES / f"{name}-{theme}.png")


def _prefer(live: Live) -> None:
    """Save preferences that show something."""
    now = live.admin.get("sites/default/preferences")
    year = dt.datetime.now(dt.UTC).year + 1
    summer = {"first_on": f"{year}-06-15", "last_on": f"{year}-08-15", "note": "Summer break"}
    settings = {**now["settings"], "pause_windows": [summer], "source": "/srv/sis/exports"}
    live.admin.put("sites/default/preferences", {"version": now["version"], "settings": settings})


def _sync(path: Path, package: Package, moment: dt.datetime) -> None:
    """Sync a package as the schedule would have, at a moment of the past."""
    path.write_bytes(_packed(package))
    with database.engine().begin() as connection:
        chosen = preferences.load(connection, "default")
        if chosen.source != str(path):
            chosen = chosen.model_copy(update={"source": str(path)})
            preferences.save(connection, chosen, actor="admin", now=moment)
    request = sync.Request(
        run_id=str(uuid.uuid4()),
        site="default",
        package=None,
        trigger=Trigger.SCHEDULE,
        requested_by=BY_SCHEDULE,
    )
    took = iter(dt.timedelta(seconds=second) for second in range(1, 1000, 3))
    sync.sync(request, clock=lambda: moment + next(took))


def _weekdays(count: int) -> Iterator[dt.datetime]:
    """Yield the last weekdays at the hour of the schedule, the oldest first."""
    today = dt.datetime.now(dt.UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    days = [today - dt.timedelta(days=back) for back in range(count * 2, 0, -1)]
    yield from [day for day in days if day.weekday() < SATURDAY][-count:]


def _day(district: Package, number: int, staff: float = 1.0) -> Package:
    """Return the district as it is on a day: some come, some go, some rows are wrong."""
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
    main()
