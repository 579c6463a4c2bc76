"""The pages as a person uses them: a real Chromium, a real Airflow, and an empty console."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser import browsing, log_in, visit
from live import SYNC, running, wait_for
from measures import CONTRAST, FOCUS_IS_SEEN, IS_UNCOVERED, WATCH_SHIFTS
from oneroster_sync.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from browser import Page
    from live import Live

HOSTILE = "<img src=x onerror=alert(1)>"
HOME = "/plugin/oneroster/sites/default"
SECTIONS = ("schedule", "source", "syncs", "limits", "notifications", "advanced")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow of its own."""
    with running() as airflow:
        yield airflow


@pytest.fixture(scope="module")
def district(data: Path) -> bytes:
    """A sample district; one teacher's name would be markup on a page that does not escape it."""
    return _changed((data / "district-small-1.1.zip").read_bytes(), _with_hostile_name)


@pytest.fixture(scope="module")
def first(live: Live, district: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run of a manual upload: a file is chosen, sent, and followed to its end on the page."""
    package = tmp_path_factory.mktemp("upload") / "district.zip"
    package.write_bytes(district)
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/upload")
        page.get_by_text("Choose OneRoster.zip").wait_for()
        page.locator("input[type=file]").nth(2).set_input_files(package)
        page.get_by_role("button", name="Upload and sync").click()
        page.get_by_text("Sync requested").wait_for()
        page.wait_for_url(re.compile(r"/plugin/oneroster/runs/"))
        page.get_by_text("20 users added").first.wait_for(timeout=90_000)
        expect(page.get_by_text("1. extract")).to_be_visible()
        expect(page.get_by_text("Succeeded").first).to_be_visible()
    run: dict[str, Any] = live.admin.get("sites/default/runs")["runs"][0]
    return run


@pytest.fixture(scope="module")
def held(live: Live, first: dict[str, Any], district: bytes) -> dict[str, Any]:
    """A held run: most teachers are missing from its package."""
    assert first["outcome"] == "succeeded"
    run = live.follow(live.admin.upload(_changed(district, _with_few_teachers)))
    assert run["outcome"] == "held"
    return run


def test_saved_preferences_move_the_next_run_in_airflow(live: Live) -> None:
    """A time that is saved on the page is the time of the next run on Airflow's own page."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/preferences")
        time = page.get_by_label("Time (UTC)")
        time.fill("03:17")
        page.get_by_role("button", name="Sat", exact=True).click()
        expect(page.get_by_text("2 changes are not saved")).to_be_visible()
        expect(page.get_by_text(re.compile(r"03:17")).first).to_be_visible()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("changes are not saved")).to_have_count(0)
        page.get_by_text(re.compile("^Saved")).first.wait_for()
    assert live.admin.get("sites/default/preferences")["settings"]["time_utc"] == "03:17"

    def moved() -> bool | None:
        found = live.next_run()
        return (found is not None and (found.hour, found.minute) == (3, 17)) or None

    assert wait_for(moved, within_s=30)


def test_invalid_setting_is_shown_at_its_field(live: Live) -> None:
    """A schedule without a day is refused: the field shows the error, and nothing is saved."""
    before = live.admin.get("sites/default/preferences")
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/preferences")
        page.get_by_label("Time (UTC)").wait_for()
        for day in before["settings"]["days"]:
            page.get_by_role("button", name=day[:3].capitalize(), exact=True).click()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text(re.compile("Not saved")).first).to_be_visible()
    assert live.admin.get("sites/default/preferences")["version"] == before["version"]


@pytest.mark.parametrize("width", [1440, 420])
def test_a_section_of_the_preferences_is_two_screens_at_most(live: Live, width: int) -> None:
    """Each section fits on two screens, with an address, a link to the guide, and short help."""
    with browsing(width=width) as page:
        log_in(page, live.origin)
        for section in SECTIONS:
            visit(page, f"{live.origin}{HOME}/preferences?section={section}")
            nav = page.get_by_role("navigation", name="Sections of the preferences")
            name = nav.locator("[aria-current=page]").inner_text()
            shown = page.get_by_role("region", name=name, exact=True)
            expect(shown.get_by_role("link", name=f"Guide: {name}")).to_be_visible()
            box = shown.bounding_box()
            assert box is not None
            assert box["height"] <= 2 * 900, section
            ids = "it => it.getAttribute('aria-describedby')?.split(' ') ?? []"
            described = shown.locator("[aria-describedby]").evaluate_all(f"them => them.map({ids})")
            for id_ in {one for some in described for one in some}:
                words = page.evaluate("id => document.getElementById(id)?.innerText ?? ''", id_)
                assert all(len(line) <= 90 for line in words.splitlines()), words


def test_changes_in_several_sections_are_saved_by_one_key(live: Live) -> None:
    """An old anchor opens its section, and one key saves the changes of several sections."""
    before = live.admin.get("sites/default/preferences")["settings"]
    with browsing(height=600) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/preferences#source")
        page.wait_for_url(re.compile(r"preferences\?section=source$"))
        page.get_by_label("Names of packages").fill("North-*.zip")
        nav = page.get_by_role("navigation", name="Sections of the preferences")
        nav.get_by_role("link", name="Safety limits").click()
        expect(nav.get_by_role("img", name="has unsaved changes")).to_have_count(1)
        page.get_by_label("Approval expires after").fill("50")
        users = page.get_by_role("group", name="Users deactivated in one sync")
        expect(users).to_contain_text(re.compile(r"Held(: | )from \d"))
        users.get_by_label("Percent").focus()
        for _ in range(16):
            page.keyboard.press("Tab")
            page.evaluate("new Promise((done) => setTimeout(done, 50))")
            assert page.evaluate(IS_UNCOVERED), page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Control+s")
        page.get_by_text("Preferences saved").wait_for()
        expect(page.get_by_text(re.compile("^Saved[.]")).first).to_be_visible()
    now = live.admin.get("sites/default/preferences")
    assert (now["settings"]["source_pattern"], now["settings"]["approval_hours"]) == (
        "North-*.zip",
        50,
    )
    live.admin.put("sites/default/preferences", {"version": now["version"], "settings": before})


def test_a_pause_is_proposed_and_seen_in_the_calendar(live: Live, first: dict[str, Any]) -> None:
    """The page proposes a pause before school ends, and keys move through the calendar's months."""
    assert first["outcome"] == "succeeded"
    ends = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    live.rows("update classes set ends_on = %s where site = 'default' returning 1", str(ends))
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/preferences")
        page.get_by_text(f"School ends on {ends}.").wait_for()
        page.get_by_role("button", name="Why pause over the summer?").click()
        expect(page.get_by_text("People whom the SIS drops").first).to_be_visible()
        calendar = page.get_by_role("region", name="Calendar")
        page.get_by_role("button", name="Add this pause").click()
        expect(page.get_by_text(f"School ends on {ends}.")).to_have_count(0)
        expect(page.get_by_label("First day", exact=True)).to_have_value(
            str(ends + dt.timedelta(days=1))
        )
        calendar.locator("[role=gridcell][tabindex='0']").focus()
        for _ in range(2):
            page.keyboard.press("PageDown")
            page.wait_for_timeout(50)
            expect(calendar.locator("[role=gridcell][tabindex='0']")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(calendar.get_by_role("status")).to_contain_text("paused, Summer break until")
        page.get_by_role("button", name="Discard", exact=True).click()
        expect(calendar.get_by_role("status")).not_to_contain_text("paused")
    live.rows("update classes set ends_on = null where site = 'default' returning 1")


@pytest.mark.case("b27")
def test_second_saver_sees_both_values(live: Live) -> None:
    """After another person's save both values are shown, and nothing is overwritten."""
    with browsing(ignoring=("status of 409",)) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/preferences")
        page.get_by_label("Time (UTC)").fill("05:45")
        now = live.admin.get("sites/default/preferences")
        theirs = {**now["settings"], "time_utc": "04:30"}
        live.admin.put("sites/default/preferences", {"version": now["version"], "settings": theirs})
        page.get_by_role("button", name="Save", exact=True).click()
        dialog = page.get_by_role("dialog").or_(page.get_by_role("alertdialog"))
        dialog.wait_for()
        expect(dialog.get_by_text("04:30").first).to_be_visible()
        expect(dialog.get_by_text("05:45").first).to_be_visible()
    assert live.admin.get("sites/default/preferences")["settings"]["time_utc"] == "04:30"


def test_sync_enabled_is_airflows_own_switch(live: Live) -> None:
    """Enabling the sync unpauses the DAG; a pause in Airflow shows here without a reload."""
    dag = f"/api/v2/dags/{SYNC}"
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/preferences")
        page.get_by_text("Sync off", exact=True).click()
        confirm = page.get_by_role("alertdialog")
        confirm.get_by_role("button", name="Switch on", exact=True).click()
        wait_for(lambda: live.api._call("GET", dag)["is_paused"] is False or None)
        expect(page.get_by_text("Sync enabled", exact=True)).to_be_visible(timeout=15_000)
        live.api._call("PATCH", dag, body={"is_paused": True})
        expect(page.get_by_text("Sync off", exact=True)).to_be_visible(timeout=15_000)


def test_a_wrong_file_is_named(live: Live, first: dict[str, Any], tmp_path: Path) -> None:
    """A zip in place of users.csv is refused where it was chosen, and no run starts."""
    package = tmp_path / "users.csv"
    package.write_bytes(b"PK\3\4 this is no csv")
    with browsing(ignoring=("status of 415",)) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/upload")
        page.get_by_text("Choose users.csv").wait_for()
        page.locator("input[type=file]").nth(0).set_input_files(package)
        page.get_by_role("button", name="Upload and sync").click()
        expect(page.get_by_text(re.compile("This is a zip")).first).to_be_visible()
    assert live.admin.get("sites/default/runs")["runs"][0]["run_id"] == first["run_id"]


def test_run_page_shows_the_whole_run(live: Live, first: dict[str, Any]) -> None:
    """Counts, changes, findings, the report and the full log are on one page."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}")
        page.get_by_role("link", name=re.compile(r"^\d{4}-\d\d-\d\d")).first.click()
        page.get_by_text("91 course assignments added").first.wait_for()
        page.get_by_role("tab", name="Changes").click()
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
        assert page.locator("img[src=x]").count() == 0
        page.get_by_role("tab", name="Findings").click()
        expect(page.get_by_text("row.field_forbidden_in_bulk").first).to_be_visible()
        page.get_by_role("tab", name="Report").click()
        expect(page.get_by_text("users.csv").first).to_be_visible()
        expect(page.get_by_text("expectations met").first).to_be_visible()
        page.get_by_role("tab", name="Log", exact=True).click()
        expect(page.get_by_text("The package is OneRoster 1.1").first).to_be_visible()
        expect(page.get_by_text("Filling up the DagBag")).to_have_count(0)
        page.get_by_text("Airflow's own lines").click()
        expect(page.get_by_text("Filling up the DagBag").first).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        text = download.value.path().read_text("utf-8")
        assert "=== record, try 1 ===" in text
        assert first["run_id"] in text


def test_why_shows_the_changes_of_a_person(live: Live, first: dict[str, Any]) -> None:
    """A search by name leads to the changes of a person: when, by which run and from which row."""
    assert first["outcome"] == "succeeded"
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/why")
        page.get_by_role("searchbox").fill("ezra bumblebee")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/why/user/\d+"))
        page.get_by_role("heading", name="Ezra Bumblebee").wait_for()
        expect(page.get_by_text("users.csv").first).to_be_visible()
        expect(page.get_by_text("admin@example.org").first).to_be_visible()


def test_a_viewer_sees_but_cannot_save(live: Live, held: dict[str, Any]) -> None:
    """A viewer reads preferences and runs, and gets no personal data, rows, saving or decisions."""
    with browsing() as page:
        log_in(page, live.origin, "viewer")
        page.goto(f"{live.origin}{HOME}/preferences")
        schedule = page.get_by_role("region", name="Schedule", exact=True)
        expect(schedule).to_contain_text("Time (UTC)")
        expect(page.get_by_role("region", name="Advanced")).to_contain_text("75 %, at least 20")
        expect(page.get_by_role("region", name="Calendar")).to_be_visible()
        expect(page.get_by_role("main").get_by_role("textbox")).to_have_count(0)
        expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
        expect(page.get_by_text("admin@example.org")).to_have_count(0)
        visit(page, f"{live.origin}/plugin/oneroster/runs/{held['run_id']}")
        page.get_by_text("Approval required").wait_for()
        expect(page.get_by_role("button", name=re.compile("Approve"))).to_have_count(0)
        expect(page.get_by_role("tab", name="Changes")).to_have_count(0)
        expect(page.get_by_role("tab", name="Log", exact=True)).to_have_count(0)


def test_a_dag_run_shows_its_sync(live: Live, held: dict[str, Any]) -> None:
    """Airflow's page of a DAG run has the sync in a tab, with a link to our own page."""
    dag_run = held["dag_run"]["dag_run_id"]
    address = f"{live.origin}/dags/oneroster_upload__default/runs/{dag_run}/plugin/oneroster-run"
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(address)
        page.get_by_text("Approval required").wait_for()
        page.get_by_role("link", name="Open in OneRoster").click()
        page.wait_for_url(re.compile(f"/plugin/oneroster/runs/{held['run_id']}"))


def test_a_held_run_is_approved(live: Live, held: dict[str, Any]) -> None:
    """An approval of exactly this plan continues its DAG run, and the page follows to the end."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/runs/{held['run_id']}")
        page.get_by_role("button", name=re.compile("^Approve: .*…$")).click()
        dialog = page.get_by_role("dialog").or_(page.get_by_role("alertdialog"))
        expect(dialog.get_by_text(held["plan_hash"][:12]).first).to_be_visible()
        dialog.get_by_role("button", name=re.compile("^Approve: ")).click()
        page.get_by_text(re.compile("Applied after approval by admin")).first.wait_for(
            timeout=90_000
        )
    run = live.admin.get(f"runs/{held['run_id']}")
    assert run["decision"]["by"] == "admin"
    assert run["outcome"] in {"succeeded", "succeeded_with_errors"}


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (420, "dark"),
        (1600, "light"),
        pytest.param(420, "light", marks=pytest.mark.long),
        pytest.param(1600, "dark", marks=pytest.mark.long),
    ],
)
def test_no_page_is_wider_than_its_window(
    live: Live, first: dict[str, Any], theme: str, width: int
) -> None:
    """At every width and in every theme only tables scroll sideways."""
    with browsing(theme, width) as page:
        log_in(page, live.origin)
        for place in (
            HOME,
            f"{HOME}/preferences",
            f"{HOME}/upload",
            f"{HOME}/why?q=a",
            f"/plugin/oneroster/runs/{first['run_id']}",
        ):
            visit(page, live.origin + place)
            page.get_by_role("heading", level=1).wait_for()
            assert _overflow(page) <= 0, place


@pytest.fixture(scope="module")
def outcomes(live: Live, first: dict[str, Any]) -> list[str]:
    """Every outcome: a site of its own has one run of each."""
    live.oneroster("init", "--site", "outcomes", "--admin", "admin@example.org")
    names = [outcome.value for outcome in Outcome]
    live.rows(
        "insert into runs select (jsonb_populate_record(r, jsonb_build_object('run_id', "
        "gen_random_uuid(), 'site', 'outcomes', 'outcome', o.name))).* "
        "from runs r, unnest(%s::text[]) o (name) where r.run_id = %s returning 1",
        [*names, None],
        first["run_id"],
    )
    return names


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_outcome_can_be_read(live: Live, outcomes: list[str], theme: str) -> None:
    """The text of each outcome has a contrast of at least 4.5 to 1, as WCAG AA requires."""
    with browsing(theme) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites/outcomes")
        badges = page.locator("tbody .chakra-badge")
        expect(badges).to_have_count(len(outcomes) + 1)
        for badge in badges.all():
            ratio = badge.evaluate(CONTRAST)
            assert ratio >= 4.5, f"{badge.inner_text()}: {ratio:.2f}"


@pytest.mark.parametrize("width", [420, pytest.param(1400, marks=pytest.mark.long)])
def test_nothing_jumps(live: Live, first: dict[str, Any], width: int) -> None:
    """Visible content does not move while a page loads."""
    with browsing(width=width, alone=True) as page:
        page.add_init_script(WATCH_SHIFTS)
        log_in(page, live.origin)
        for place, shown in (
            (HOME, "Full log file"),
            (f"{HOME}/preferences", "The next five syncs"),
            (f"{HOME}/upload", "Choose OneRoster.zip"),
            (f"/plugin/oneroster/runs/{first['run_id']}", "Credited to"),
            (f"/plugin/oneroster/runs/{first['run_id']}?tab=findings", "What to do"),
        ):
            page.goto(live.origin + place)
            page.get_by_text(shown).first.wait_for()
            page.wait_for_load_state("networkidle")
            shifts = page.evaluate("globalThis.shifts")
            large = [shift for shift in shifts if shift["value"] > 0.001]
            assert sum(shift["value"] for shift in shifts) < 0.1, f"{place}: {large}"


@pytest.mark.parametrize("who", ["admin", pytest.param("viewer", marks=pytest.mark.long)])
def test_everything_has_a_name_and_can_be_reached(
    live: Live, first: dict[str, Any], who: str
) -> None:
    """Every control has a name for screen readers; the keyboard reaches it and shows the focus."""
    with browsing() as page:
        log_in(page, live.origin, who)
        for place in (
            HOME,
            f"{HOME}/preferences",
            f"{HOME}/upload",
            *([f"{HOME}/why?q=a"] if who == "admin" else []),
            f"/plugin/oneroster/runs/{first['run_id']}",
            f"/plugin/oneroster/runs/{first['run_id']}?tab=findings",
            f"/plugin/oneroster/runs/{first['run_id']}?tab=report",
        ):
            visit(page, live.origin + place)
            page.get_by_role("heading", level=1).wait_for()
            assert page.get_by_role("heading", level=1).count() == 1, place
            for role in ("button", "link", "textbox", "checkbox", "combobox", "switch", "tab"):
                every = page.get_by_role(role)
                named = page.get_by_role(role, name=re.compile(r"\S"))
                assert named.count() == every.count(), (place, role)
            heading = page.get_by_role("heading", level=1)
            heading.evaluate("it => { it.tabIndex = -1; it.focus(); }")
            for _ in range(3):
                page.keyboard.press("Tab")
                assert page.evaluate(FOCUS_IS_SEEN), place


def _overflow(page: Page) -> int:
    wider: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wider


def _with_hostile_name(users: list[dict[str, str]]) -> list[dict[str, str]]:
    teacher = next(row for row in users if row["role"] == "teacher")
    teacher["givenName"] = HOSTILE
    return users


def _with_few_teachers(users: list[dict[str, str]]) -> list[dict[str, str]]:
    teachers = [row["sourcedId"] for row in users if row["role"] == "teacher"]
    return [row for row in users if row["sourcedId"] not in teachers[4:]]


def _changed(package: bytes, change: Any) -> bytes:
    """Return a package with another users.csv."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            if name == "users.csv":
                rows = change(list(csv.DictReader(io.StringIO(text))))
                written = io.StringIO()
                writer = csv.DictWriter(written, rows[0])
                writer.writeheader()
                writer.writerows(rows)
                text = written.getvalue()
            new.writestr(name, text)
    return made.getvalue()
