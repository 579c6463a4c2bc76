"""The pages show the truth at first sight: what was applied, why a plan is held, what is wrong."""

from __future__ import annotations

import csv
import datetime as dt
import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from browser import browsing, log_in, press, visit
from live import running
from towns import HOME, Town, district, packed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from browser import Page
    from live import Live

SLOW_MS = 90_000
PAST = (
    "insert into runs select (jsonb_populate_record(r, jsonb_build_object('run_id', "
    "gen_random_uuid(), 'started_at', r.started_at - day * interval '1 day', 'outcome', "
    "case when day = 30 then 'succeeded' else 'superseded' end, 'applied_at', case when day = 30 "
    "then r.started_at - interval '30 days' end))).* from runs r, generate_series(1, 30) day "
    "where run_id = %s returning 1"
)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow of its own."""
    with running() as airflow:
        yield airflow


@pytest.fixture(scope="module")
def meadow(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A site with a roster, whose plan has been held for a month of nights."""
    town = Town(live, tmp_path_factory.mktemp("meadow"), "meadow")
    town.sync()
    live.oneroster("preferences", "--site", "meadow", "--set", 'guards={"error_percent": 1}')
    return town


@pytest.fixture(scope="module")
def held(meadow: Town) -> dict[str, Any]:
    """A held run: half of the teachers are missing, and some rows have errors."""
    wrong = tuple(f"w{n},lake,wizard,Ann,Lee,w{n}@x.org" for n in range(6))
    run = meadow.sync(lacks=10, wrong=wrong)
    assert run["outcome"] == "held", run["sentence"]
    return run


def row_of(page: Page, run: Mapping[str, Any]) -> Any:
    """Return the row of a run in the list of a site."""
    link = page.locator(f"a[href$='/runs/{run['run_id']}']")
    return page.get_by_role("table").get_by_role("row").filter(has=link)


def test_people_come_first_in_the_reasons_of_a_hold(meadow: Town, held: dict[str, Any]) -> None:
    """Deactivated users come before courses and errors, in the sentence and in the table."""
    assert held["sentence"].startswith(
        "Held, nothing was changed: 10 of 20 users would be deactivated; 10 of 20 course "
        "assignments would be removed; "
    )
    assert held["sentence"].endswith("rows of users.csv have errors.")
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.page_of(held))
        reasons = page.get_by_role("table", name="Why the plan waits").get_by_role("row")
        expect(reasons.nth(1)).to_contain_text("10 of 20 users would be deactivated.")
        expect(reasons.nth(2)).to_contain_text("course assignments would be removed.")
        expect(reasons.last).to_contain_text("rows of users.csv have errors.")


def test_a_run_that_waits_has_not_ended(meadow: Town, held: dict[str, Any]) -> None:
    """A held run shows since when it waits; the time of work is separate from the waiting time."""
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.page_of(held))
        expect(page.get_by_text(re.compile(r"^Work [\d.]+ s · waiting [\d.]+ "))).to_be_visible()
        expect(page.get_by_text("Held since", exact=True)).to_be_visible()
        expect(page.get_by_text("Ended", exact=True)).to_have_count(0)


def test_unreadable_row_is_no_failure_of_other_columns(meadow: Town, held: dict[str, Any]) -> None:
    """Rows that are blanked because their person is unknown fail no check of their values."""
    (users,) = (
        suite
        for suite in meadow.live.admin.get(f"runs/{held['run_id']}/report")["suites"]
        if suite["file"] == "users.csv"
    )
    assert [one["title"] for one in users["expectations"] if one["unexpected"]] == []
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.page_of(held, "report"))
        suite = page.get_by_role("region", name="users.csv")
        expect(suite).to_contain_text("10 rows")
        visit(page, meadow.page_of(held, "findings"))
        cause = page.get_by_role("listitem").filter(has_text="row.invalid_enum")
        expect(cause).to_contain_text("6 rows")


def test_invalid_address_is_no_login(meadow: Town) -> None:
    """Two rows with the same invalid address have only that error, and no shared login."""
    wrong = tuple(f"x{n},lake,teacher,Ann,Lee,not-an-email" for n in range(2))
    run = meadow.sync("plan", wrong=wrong)
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.page_of(run, "findings"))
        cause = page.get_by_role("listitem").filter(has_text="row.invalid_email")
        expect(cause).to_contain_text("2 rows")
        expect(page.get_by_text("semantic.login_taken")).to_have_count(0)


def test_a_preview_is_no_discarded_plan(meadow: Town) -> None:
    """A plan without a sync is called a preview, and has a filter of its own."""
    run = meadow.sync("plan", changed=3)
    assert (run["outcome"], run["is_preview"]) == ("discarded", True)
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.home)
        expect(row_of(page, run)).to_contain_text("Preview")
        page.get_by_label("Outcome").select_option("Preview")
        expect(page.get_by_role("status").filter(has_text="runs")).to_be_visible()
        expect(page.get_by_text("Discarded", exact=True)).to_have_count(1)
        visit(page, meadow.page_of(run))
        sentence = "Preview, nothing was changed. A sync would make these changes: 3 users updated."
        expect(page.get_by_text(sentence).first).to_be_visible()
        expect(page.get_by_text("The plan was discarded")).to_have_count(0)


def test_updates_and_reactivations_are_in_the_list(live: Live, tmp_path: Path) -> None:
    """Updates and reactivations count in the list; an undo of users restores their assignments."""
    town = Town(live, tmp_path, "orchard")
    town.sync()
    live.oneroster("preferences", "--site", town.name, "--set", "approval_hours=1")
    gone = town.sync(lacks=4, changed=5)
    assert gone["counts"]["users"]["updated"] == 5
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(town.page_of(gone))
        page.get_by_role("button", name="Undo…", exact=True).click()
        dialog = page.get_by_role("alertdialog")
        dialog.get_by_label("What to undo").select_option("Users and their course assignments")
        expect(dialog.get_by_role("row", name="Added 0 0 4")).to_be_visible()
        expect(dialog.get_by_role("row", name=re.compile("^Reactivated 4 0"))).to_be_visible()
    undone = live.oneroster("undo", gone["run_id"], "--kind", "user", "--site", town.name)
    run = live.admin.get(f"runs/{undone['run_id']}")
    assert run["totals"]["users"] == {"added": 0, "updated": 9, "removed": 0, "errors": 0}
    assert run["totals"]["assignments"]["added"] == 4
    with browsing() as page:
        log_in(page, live.origin)
        visit(page, town.home)
        cells = row_of(page, run).get_by_role("cell")
        expect(cells.nth(4)).to_have_text("9")
        expect(row_of(page, gone).get_by_role("cell").nth(4)).to_have_text("5")


def test_errors_in_rows_are_never_no_changes(live: Live, tmp_path: Path) -> None:
    """If nothing changed and some rows had errors, the outcome names the errors."""
    town = Town(live, tmp_path, "grove")
    town.sync()
    run = town.sync(wrong=("x1,lake,teacher,Ann,Lee,not-an-email",))
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(town.home)
        expect(row_of(page, run)).to_contain_text("With errors")
        visit(page, town.page_of(run))
        sentence = "Nothing to change. 1 row had an error and was skipped; its record is unchanged."
        expect(page.get_by_text(sentence).first).to_be_visible()


def test_month_without_an_applied_sync_is_shown(
    meadow: Town, held: dict[str, Any], tmp_path: Path
) -> None:
    """After nights of held and superseded plans the site and the list of sites show since when."""
    assert held["outcome"] == "held"
    town = Town(meadow.live, tmp_path, "still")
    town.sync()
    run = town.sync(lacks=10)
    meadow.live.rows(
        "update runs set started_at = started_at - interval '31 days', applied_at = "
        "applied_at - interval '31 days' where site = 'still' and run_id <> %s "
        "returning 1",
        run["run_id"],
    )
    meadow.live.rows(PAST, run["run_id"])
    begun = dt.datetime.fromisoformat(run["started_at"]) - dt.timedelta(days=30)
    sentence = f"No changes applied since {begun.day} {begun:%B}"
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(town.home)
        expect(page.get_by_text(sentence).first).to_contain_text("(30 syncs)")
        page.get_by_role("link", name="Review the held plan").click()
        page.wait_for_url(re.compile(f"/runs/{run['run_id']}$"))
        visit(page, f"{meadow.live.origin}{HOME}/sites")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="still", exact=True))
        expect(row).to_contain_text(sentence)
        visit(page, f"{town.home}/preferences?section=notifications")
        expect(page.get_by_text("No changes applied", exact=True)).to_be_visible()


def test_every_page_of_a_site_shows_its_status(meadow: Town, held: dict[str, Any]) -> None:
    """The top of every page has size, last applied sync, next sync, approvals and the export."""
    state = meadow.live.admin.get("sites/meadow/status")
    assert (state["active"]["users"], state["waiting"]) == (21, 1)
    with browsing() as page:
        log_in(page, meadow.live.origin)
        for place in ("", "/preferences", "/upload", "/why", f"/../../runs/{held['run_id']}"):
            visit(page, f"{meadow.home}{place}")
            head = page.get_by_role("group", name="Status of meadow")
            expect(head).to_contain_text("Active users21")
            expect(head).to_contain_text("Courses20")
            expect(head).to_contain_text("Course assignments20")
            expect(head).to_contain_text(f"Last applied{state['applied_at'][:10]}")
            expect(head).to_contain_text("ExportNew today")
            expect(head.get_by_role("link", name="1 needed")).to_be_visible()
            expect(head).to_contain_text("Next sync")


def test_moments_are_in_the_zone_that_airflow_shows(meadow: Town, held: dict[str, Any]) -> None:
    """A run's times are in the zone of Airflow's selector and in UTC; planned times are in UTC."""
    started = dt.datetime.fromisoformat(held["started_at"])
    tokyo = started.astimezone(ZoneInfo("Asia/Tokyo"))
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.home)
        page.evaluate("localStorage.setItem('timezone', '\"Asia/Tokyo\"')")
        visit(page, f"{meadow.live.origin}{HOME}/runs/{held['run_id']}")
        moment = re.compile(rf"{tokyo:%Y-%m-%d %H:%M:%S} \+09:00 · .*{started:%H:%M:%S} UTC")
        expect(page.get_by_text(moment).first).to_be_visible()
        expect(page.get_by_text(re.compile(r"Expires .* UTC · .* in Tokyo"))).to_be_visible()
        way = page.get_by_role("navigation", name="breadcrumb")
        expect(way).to_contain_text(f"Run{tokyo:%Y-%m-%d %H:%M} +09:00")
        assert (
            page.title() == f"Synchronization of {tokyo:%Y-%m-%d %H:%M} +09:00 - meadow - Airflow"
        )
        page.get_by_role("tab", name="Overview").wait_for()
        page.evaluate(
            "localStorage.setItem('timezone', '\"UTC\"');"
            "dispatchEvent(new StorageEvent('local-storage', { key: 'timezone' }))"
        )
        expect(page.get_by_text(f"{started:%Y-%m-%d %H:%M:%S} UTC").first).to_be_visible()
        way.get_by_role("link", name="meadow").click()
        link = page.get_by_role("link", name=f"{started:%Y-%m-%d %H:%M:%S}", exact=True)
        expect(link.locator("time").first).to_have_attribute(
            "title", f"{started:%Y-%m-%d %H:%M:%S} UTC"
        )


def test_what_needs_attention_comes_first_in_the_list_of_sites(
    meadow: Town, held: dict[str, Any], tmp_path: Path
) -> None:
    """Sites with problems come first, with the reason; the list can be sorted and filtered."""
    assert held["outcome"] == "held"
    meadow.live.oneroster("init", "--site", "aaa", "--admin", "admin@example.org")
    meadow.live.oneroster("init", "--site", "zoo", "--admin", "admin@example.org")
    meadow.live.oneroster("sync", str(tmp_path / "gone.zip"), "--site", "zoo")
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(f"{meadow.live.origin}{HOME}/sites")
        names = page.locator("tbody tr td[role=rowheader]")
        rows = page.locator("tbody tr")
        expect(rows.filter(has_text="zoo")).to_contain_text("Rejected, nothing was changed.")
        expect(rows.filter(has_text="meadow")).to_contain_text("1 plan needs approval")
        expect(rows.filter(has_text="meadow")).to_contain_text("20")
        listed = names.all_inner_texts()
        assert listed.index("zoo") < listed.index("meadow") < listed.index("aaa")
        page.get_by_role("button", name="Site", exact=True).click()
        listed = names.all_inner_texts()
        assert listed == sorted(listed)
        page.get_by_label("Which sites").select_option("Needs approval")
        expect(rows.filter(has_text="zoo")).to_have_count(0)
        expect(rows.filter(has_text="meadow")).to_have_count(1)


def test_the_chart_shows_what_was_applied(meadow: Town, held: dict[str, Any]) -> None:
    """The chart has every run that ended; a plan that was not applied has no changes."""
    points = meadow.live.admin.get("sites/meadow/trend")["points"]
    assert held["run_id"] in [point["run_id"] for point in points]
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.home)
        chart = page.get_by_role("list", name="The last runs, the newest at the end")
        expect(chart.get_by_role("link")).to_have_count(len(points))
        waits = chart.get_by_role("link", name=re.compile("Held, 20 changes planned, not applied"))
        expect(waits).to_have_count(1)
        card = page.get_by_role("region", name="Changes and errors")
        expect(card.get_by_text("100", exact=True)).to_be_visible()
        day = held["started_at"][:10]
        expect(card.get_by_text(day).first).to_be_visible()


def test_the_csv_for_the_sis_team_is_in_the_order_of_the_causes(
    meadow: Town, held: dict[str, Any]
) -> None:
    """The causes to fix first are at the top, and findings of guards are left out."""
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.page_of(held, "findings"))
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile("CSV")).click()
        rows = list(csv.DictReader(download.value.path().open(encoding="utf-8-sig")))
    causes = [int(row["cause"]) for row in rows]
    assert causes == sorted(causes)
    assert {row["code"] for row in rows} >= {"row.invalid_enum"}
    assert not [row for row in rows if row["code"].startswith("guard.")]


def test_an_address_that_was_cut_off_says_so(live: Live) -> None:
    """An address of no run or no site leads to an explanation and to a link."""
    with browsing(ignoring=("status of 4",)) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/abc")
        page.get_by_text("Run not found").wait_for()
        expect(page.get_by_text("pattern")).to_have_count(0)
        visit(page, f"{live.origin}{HOME}/sites/nowhere/preferences")
        page.get_by_text("There is no site nowhere").wait_for()
        expect(page.get_by_text("oneroster init")).to_have_count(0)
        page.get_by_role("main").get_by_role("link", name="Sites").click()
        page.wait_for_url("**/oneroster/sites")


def test_invalid_pause_has_one_message(live: Live) -> None:
    """A pause that ends before it begins has one message, next to its days."""
    with browsing(ignoring=("status of 422",)) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/sites/default/preferences")
        page.get_by_role("button", name="+ Add a pause").click()
        page.get_by_label("First day", exact=True).fill("2027-07-10")
        page.get_by_label("Last day", exact=True).fill("2027-06-10")
        page.get_by_role("button", name="Save", exact=True).click()
        message = page.get_by_text("The last day is before the first day.")
        expect(message.first).to_be_visible()
        expect(message).to_have_count(1)
        page.get_by_role("button", name="Discard", exact=True).click()


def test_uploads_keep_their_file_names(live: Live, tmp_path: Path) -> None:
    """A lone file that is no roster file is rejected, and keeps the name of the person's file."""
    notes = tmp_path / "notes 2026.csv"
    notes.write_text("animal,colour\nLee,1\n")
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/sites/default/upload")
        page.get_by_text("Choose users.csv").wait_for()
        page.locator("input[type=file]").nth(0).set_input_files(notes)
        page.get_by_role("button", name="Upload and sync").click()
        page.wait_for_url(re.compile("/runs/"))
        page.get_by_text("Rejected, nothing was changed.").first.wait_for(timeout=SLOW_MS)
        expect(page.get_by_text("roles.csv")).to_have_count(0)
        expect(page.get_by_text("notes 2026.csv").first).to_be_visible()
        run = live.admin.get("sites/default/runs")["runs"][0]
        visit(page, f"{live.origin}{HOME}/sites/default")
        expect(row_of(page, run)).to_contain_text("notes 2026.csv")
    assert run["uploaded_as"] == "notes 2026.csv"
    assert "No column of the file is one of OneRoster" in run["sentence"]


def test_a_lone_users_file_of_1_2_asks_for_the_zip(live: Live, tmp_path: Path) -> None:
    """A lone users.csv of 1.2 has no roles, so the message asks for the whole export."""
    users = tmp_path / "users.csv"
    users.write_text("sourcedId,enabledUser,userMasterIdentifier,username\nu1,true,a,ann\n")
    live.oneroster("init", "--site", "lone", "--admin", "admin@example.org")
    run = live.oneroster("sync", str(users), "--kind", "users", "--site", "lone")
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{run['run_id']}")
        expect(page.get_by_text("Upload the whole export as OneRoster.zip").first).to_be_visible()


def test_a_failed_run_has_one_reason(live: Live, tmp_path: Path) -> None:
    """The phrase that nothing was changed is not shown as a second reason."""
    live.oneroster("init", "--site", "nowhere", "--admin", "admin@example.org")
    run = live.oneroster("sync", str(tmp_path / "gone.zip"), "--site", "nowhere")
    reasons = '["there is no package at /srv/sis", "nothing was changed"]'
    query = "update runs set outcome = 'failed', reasons = %s where run_id = %s returning 1"
    live.rows(query, reasons, run["run_id"])
    sentence = live.admin.get(f"runs/{run['run_id']}")["sentence"]
    assert sentence == "Failed, nothing was changed: there is no package at /srv/sis."
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{run['run_id']}")
        expect(page.get_by_text(sentence).first).to_be_visible()


def test_a_rejected_upload_ends_in_buttons(live: Live, tmp_path: Path) -> None:
    """A rejected upload has one message, one red mark for one cause, and a button to go on."""
    notes = tmp_path / "users.csv"
    notes.write_text("animal,colour\nLee,1\n")
    run = live.follow(live.admin.upload(notes.read_bytes(), kind="users"))
    with browsing(alone=True) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{run['run_id']}")
        page.get_by_role("heading", name="What to do next").wait_for()
        expect(page.locator("p").filter(has_text="nothing was changed")).to_have_count(1)
        stages = page.get_by_role("list").filter(has_text="1. extract").get_by_role("listitem")
        failed = [text for text in stages.all_inner_texts() if "failed" in text.splitlines()]
        assert len(failed) == 1, stages.all_inner_texts()
        page.get_by_role("button", name="Copy diagnostics for support").click()
        page.get_by_text("Copied.").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert f"run {run['run_id']}" in copied
        assert "admin" not in copied
        page.get_by_role("link", name="See findings").click()
        page.get_by_role("listitem").filter(has_text="schema.no_known_column").wait_for()
        page.get_by_role("link", name="Upload again").click()
        page.wait_for_url(re.compile("/upload[?]kind=users$"))


def test_findings_that_follow_are_in_the_card_of_their_cause(
    meadow: Town, held: dict[str, Any]
) -> None:
    """The list has only the causes to fix, and the tab counts these."""
    wrong = ("x1,nowhere,teacher,Ann,Lee,not-an-email",)
    run = meadow.sync("plan", wrong=wrong, changed=1, enrolled=("x1",))
    assert run["has"]["issues"] > 0
    with browsing() as page:
        log_in(page, meadow.live.origin)
        page.goto(meadow.page_of(run, "findings"))
        cause = page.get_by_role("listitem").filter(has_text="row.invalid_email")
        expect(cause).to_contain_text("1 dependent row of enrollments.csv")
        cards = page.get_by_role("list", name="Causes, what to fix first").get_by_role("listitem")
        expect(cards).to_have_count(run["has"]["issues"])
        expect(page.get_by_role("tab", name="Findings")).to_contain_text(str(run["has"]["issues"]))
        cause.get_by_role("button", name="Show them").click()
        expect(cause.get_by_role("table")).to_contain_text("enrollments.csv")
        visit(page, meadow.page_of(held, "findings"))
        expect(page.get_by_text(re.compile("limits of the site were exceeded"))).to_be_visible()
        expect(cards.filter(has_text="guard.")).to_have_count(0)


def test_every_page_leads_to_the_guide(meadow: Town, held: dict[str, Any]) -> None:
    """A "?" next to the title opens the right page of the guide, whose links stay in the guide."""
    site = f"{meadow.live.origin}/plugin/oneroster/sites/meadow"
    helped = {
        f"{meadow.live.origin}/plugin/oneroster/sites": "Many sites",
        site: "The operator's guide",
        f"{site}/preferences": "The first sync",
        f"{site}/upload": "The first sync",
        f"{site}/why": "Undo, and why",
        meadow.page_of(held): "A held run",
    }
    with browsing(alone=True) as page:
        log_in(page, meadow.live.origin)
        for address, title in helped.items():
            visit(page, address)
            with page.expect_popup() as opened:
                page.get_by_role("link", name="Guide: ").first.click()
            guide = opened.value
            expect(guide.get_by_role("heading", level=1, name=title)).to_be_visible()
        guide.get_by_role("link", name="the rollover").first.click()
        expect(guide.get_by_role("heading", level=1, name="The rollover")).to_be_visible()


def test_a_file_is_checked_and_then_compared(live: Live, tmp_path: Path) -> None:
    """*Check only* shows what a sync would do; the next check shows what was fixed since."""
    wrong = tuple(f"w{n},lake,teacher,Ann,Lee,not-an-email" for n in range(3))
    for name, rows in (("before.zip", wrong), ("after.zip", wrong[:1])):
        (tmp_path / name).write_bytes(packed(district(wrong=rows)))
    with browsing() as page:
        log_in(page, live.origin)
        for name in ("before.zip", "after.zip"):
            page.goto(f"{live.origin}{HOME}/sites/default/upload")
            with page.expect_file_chooser() as chooser:
                press(page, page.get_by_role("button", name="Choose OneRoster.zip"))
            chooser.value.set_files(tmp_path / name)
            press(page, page.get_by_role("button", name="Check only"))
            page.get_by_text("Check requested").wait_for()
            page.wait_for_url("**/runs/*", timeout=SLOW_MS)
            heading = page.get_by_role("heading", name="A sync would apply this without asking")
            expect(heading).to_be_visible(timeout=SLOW_MS)
            expect(page.get_by_role("heading", name=re.compile("^Check of "))).to_be_visible()
            expect(page.get_by_text("Preview", exact=True)).to_be_visible()
        page.get_by_role("tab", name="Findings").click()
        page.get_by_text("2 fixed, 0 new since the last run.").wait_for()
        page.get_by_role("link", name="Compare", exact=True).click()
        expect(page.get_by_text("2 errors fixed, 0 new, 1 still there")).to_be_visible()
        table = page.get_by_role("table", name="Findings that are different")
        row = table.get_by_role("row").filter(has_text="row.invalid_email")
        expect(row.get_by_role("cell").nth(2)).to_have_text("2")
        page.get_by_role("link", name="Upload and sync it").click()
        expect(page.get_by_role("button", name="Choose OneRoster.zip")).to_be_visible()
