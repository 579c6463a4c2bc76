"""The pages for thresholds, decisions, undo, notifications and account matching."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

import hostile
from browser import browsing, log_in, visit
from live import running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Dialog, Locator

    from browser import Page
    from live import Live

pytestmark = pytest.mark.long
HOME = "/plugin/oneroster/sites/default"
RUNS = "/plugin/oneroster/runs"
ORGS = "sourcedId,name,type\nlake,Lake School,school\nhill,Hill School,school\n"
ACCOUNT = """
insert into users (site, username, given_name, family_name, email, login, role, status, managed)
values ('default', 'zoe', 'Zoe', 'Fox', 'zoe@old.org', 'zoe@old.org', 'teacher', 'active', false)
returning id
"""
WITHOUT_REMOVALS = "Apply additions and updates without waiting for removals"
SAVED = re.compile(r"^Saved\. ")
SLOW_MS = 90_000
"""The longest time in which a page follows a run to its end."""


def school(*, gone: int = 0, new: int = 0) -> bytes:
    """Return a package of Lake School, with `gone` of ten teachers missing, and of Hill School."""
    lake = [(f"l{n}", "lake") for n in range(gone, 10 + new)]
    hill = [(f"h{n}", "hill") for n in range(6)]
    rows = [f"{id_},{org},teacher,Ann,{id_.upper()},{id_}@x.org\n" for id_, org in lake + hill]
    header = "sourcedId,orgSourcedIds,role,givenName,familyName,email\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("orgs.csv", ORGS)
        archive.writestr("users.csv", header + "".join(rows))
    return packed.getvalue()


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Yield an Airflow with sixteen teachers and a hand-made account."""
    with running() as live:
        live.rows(ACCOUNT)
        assert live.follow(live.admin.upload(school()))["outcome"] == "succeeded"
        yield live


@pytest.fixture(scope="module")
def held(live: Live) -> dict[str, Any]:
    """Return a held run: its package lacks eight of the ten teachers of Lake School."""
    run = live.follow(live.admin.upload(school(gone=8)))
    assert run["outcome"] == "held", run["sentence"]
    return run


@pytest.fixture(scope="module")
def removals(live: Live, held: dict[str, Any]) -> dict[str, Any]:
    """Return the run of pending removals; the additions of the same package are applied."""
    prefer(live, guards={"removals_wait": True})
    rest = live.follow(live.admin.upload(school(gone=8, new=1)))
    assert (rest["outcome"], rest["counts"]["users"]["added"]) == ("succeeded", 1)
    assert rest["started_at"] > held["started_at"]

    def waits() -> dict[str, Any] | None:
        id_ = live.admin.get(f"runs/{rest['run_id']}")["removals_run"]
        run: dict[str, Any] | None = live.admin.get(f"runs/{id_}") if id_ else None
        return run if run and run["outcome"] == "held" else None

    return wait_for(waits)


def test_thresholds_and_a_rollover_are_saved_and_shown(live: Live) -> None:
    """The next runs show unsaved thresholds and add-only mode, and the history shows saved ones."""
    last = f"{dt.datetime.now(dt.UTC).year + 1}-08-31"
    before = settings_of(live)
    with at_preferences(live, "limits") as page:
        page.get_by_text("Raise the limits for removals", exact=True).click()
        page.get_by_text(
            "Apply additions and updates without waiting for removals", exact=True
        ).click()
        page.get_by_label("Approval expires after").fill("48")
        page.get_by_role("link", name="Advanced").click()
        page.get_by_text("Add-only mode", exact=True).click()
        page.get_by_label("Last day (UTC)").fill(last)
        page.get_by_role("button", name="More limits").click()
        school_limit = page.get_by_role("group", name="Removed from one school in one sync")
        school_limit.get_by_label("Percent").fill("40")
        page.get_by_role("link", name="Schedule").click()
        expect(page.get_by_text(f"Only adds, until {last}")).to_have_count(5)
        expect(page.get_by_text("May remove up to 50 %, for one run")).to_have_count(1)
        page.get_by_label("Time zone of the site").fill("America/Chicago")
        expect(
            page.get_by_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d in Chicago$"))
        ).to_have_count(5)
        expect(page.get_by_text(re.compile(r"in Chicago; shifts an hour"))).to_be_visible()
        expect(page.get_by_text("6 changes are not saved")).to_be_visible()
        save(page)
        page.get_by_role("button", name="Who changed what").click()
        history = page.get_by_role("region", name="History")
        expect(history.get_by_text(f"only adds until {last}").first).to_be_visible()
        expect(history.get_by_text("50 % for one run").first).to_be_visible()
    now = settings_of(live)
    assert (now["create_only_until"], now["approval_hours"]) == (last, 48)
    assert now["time_zone"] == "America/Chicago"
    assert now["guards"]["raised"] == {"percent": 50, "until": None, "note": ""}
    assert (now["guards"]["removals_wait"], now["guards"]["school"]["percent"]) == (True, 40)
    restore(live, before)


def test_invalid_value_has_its_message_beside_its_field(live: Live) -> None:
    """Each invalid value has its message beside its field, even a hidden one."""
    version = live.admin.get("sites/default/preferences")["version"]
    with at_preferences(live, "notifications") as page:
        page.get_by_label("E-mail addresses").fill("Tom <tom@example.org>")
        page.get_by_role("link", name="Advanced").click()
        page.get_by_role("button", name="More limits").click()
        limit = page.get_by_role("group", name="Users updated in one sync").get_by_label("At least")
        limit.fill("0")
        page.get_by_role("button", name="More limits").click()
        expect(limit).to_be_hidden()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("“Tom” is not a valid e-mail address")).to_be_visible()
        expect(page.get_by_label("E-mail addresses")).to_be_focused()
        page.get_by_role("button", name="Limit for updated users, at least").click()
        expect(page.get_by_text("Give 1 or more.")).to_be_visible()
        expect(limit).to_be_focused()
        page.get_by_role("button", name="Discard", exact=True).click()
        expect(page.get_by_text("Your changes are discarded.").first).to_be_visible()
    assert live.admin.get("sites/default/preferences")["version"] == version


def test_a_source_elsewhere_is_saved_and_a_secret_is_not(live: Live) -> None:
    """A URL with a password or without encryption is refused at its field; a clean one is saved."""
    before = settings_of(live)
    with at_preferences(live, "source") as page:
        source = page.get_by_label("Path or URL")
        for text, message in (
            ("sftp://ann:pw@sis.example.org/out", "It holds a password."),
            ("http://sis.example.org/o.zip", "http:// is not encrypted."),
            ("https://sis.example.org/o.zip?token=7", "keys and tokens go into"),
            ("sftp://sis.example.org/out", "SFTP needs an Airflow connection"),
        ):
            source.fill(text)
            page.get_by_role("button", name="Save", exact=True).click()
            expect(page.get_by_text(message)).to_be_visible()
        source.fill("sftp://sis.example.org/out")
        page.get_by_label("Airflow connection").fill("sis_sftp")
        page.get_by_label("Names of packages").fill("OneRoster-*.zip")
        page.get_by_text("Move the package aside", exact=True).click()
        save(page)
        page.get_by_role("button", name="Who changed what").click()
        history = page.get_by_role("region", name="History")
        expect(history.get_by_text("The package is moved aside").first).to_be_visible()
    now = settings_of(live)
    assert (
        now["source"],
        now["source_connection"],
        now["source_pattern"],
        now["source_after"],
    ) == (
        "sftp://sis.example.org/out",
        "sis_sftp",
        "OneRoster-*.zip",
        "move",
    )
    restore(live, before)


def test_recipients_are_saved_and_a_test_message_is_sent(live: Live) -> None:
    """Recipients are saved, a test message is sent, and a viewer sees no whole address."""
    before = settings_of(live)
    with at_preferences(live, "notifications") as page:
        button = page.get_by_role("button", name="Send a test message")
        expect(button).to_be_disabled()
        expect(page.get_by_text("There are no recipients yet.")).to_be_visible()
        page.get_by_role("button", name="Preview: Rejected packages").click()
        shown = page.get_by_role("dialog").get_by_role("region", name="A rejected package")
        expect(shown).to_contain_text("Example")
        subject = "Package rejected, users.csv: a column is missing — default"
        expect(shown.get_by_text(subject)).to_be_visible()
        mail = shown.frame_locator("iframe")
        expect(mail.get_by_role("listitem").first).to_contain_text("users.csv, familyName, 1 row")
        shown.get_by_role("tab", name="Plain text and chats").click()
        expect(shown.get_by_text("What to do: fix it in the SIS")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_label("E-mail addresses").fill("it@example.org; head@example.org\n")
        page.get_by_label("Channels").fill("oneroster_slack")
        page.get_by_text("Weekly summary", exact=True).click()
        page.get_by_label("Alert if no new export for this many days").fill("3")
        expect(page.get_by_text("Save first:")).to_be_visible()
        save(page)
        expect(button).to_be_enabled()
        button.click()
        expect(page.get_by_text("The test message is on its way.")).to_be_visible()
        link = page.get_by_role("link", name="see the DAG run").get_attribute("href")
        assert link
        assert "/dags/oneroster_watch/runs/" in link
    now = settings_of(live)
    assert now["notices"]["recipients"] == ["it@example.org", "head@example.org"]
    assert now["notices"]["channels"] == ["oneroster_slack"]
    assert now["notices"]["topics"] == [
        *("held", "failed", "rejected", "errors", "stale", "unapplied"),
    ]
    assert now["stale_after_days"] == 3
    asked = live.api._call("GET", "/api/v2/dags/oneroster_watch/dagRuns")["dag_runs"]
    assert {"test_site": "default"} in [run["conf"] for run in asked]
    with browsing() as page:
        log_in(page, live.origin, "viewer")
        page.goto(f"{live.origin}{HOME}/preferences?section=notifications")
        section = page.get_by_role("region", name="Notifications", exact=True)
        expect(section).to_contain_text("i…@example.org, h…@example.org")
        expect(page.get_by_role("button", name="Send a test message")).to_have_count(0)
    restore(live, before)


def test_missing_packages_are_shown(live: Live) -> None:
    """A site whose newest package is ten days old says so, and links to the run that read it."""
    live.oneroster("init", "--site", "quiet", "--admin", "admin@example.org")
    (first,) = live.rows(
        "insert into runs select (jsonb_populate_record(r, jsonb_build_object('run_id', "
        "gen_random_uuid(), 'site', 'quiet', 'started_at', now() - interval '10 days'))).* "
        "from runs r where site = 'default' and sha256 <> '' limit 1 returning run_id::text"
    )[0]
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites/quiet")
        expect(page.get_by_text("No new export for 10 days")).to_be_visible()
        expect(page.get_by_text("Ask the SIS team whether the export still runs.")).to_be_visible()
        page.get_by_role("link", name="Open the run that read it").click()
        page.wait_for_url(re.compile(f"{RUNS}/{first}$"))


@pytest.mark.case("b45", "a88", "b51")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lost_deltas_both_names_and_a_junk_file_are_shown(
    live: Live, tmp_path: Path, theme: str
) -> None:
    """The pages show a site out of step, both names of a reused sourcedId, and a junk file."""
    site = f"lost-{theme}"
    live.oneroster("init", "--site", site, "--admin", "admin@example.org")
    header, row = "sourcedId,role,givenName,familyName,email\n", "l1,teacher,Ann,Lee,ann@x.org\n"
    runs = []
    for name, text in {
        "first": header + row + row.replace("l1", "l2").replace("ann", "two"),
        "other": header
        + "l1,teacher,Zoe,Fay,zoe@x.org\n"
        + row.replace("l1", "l2").replace("ann", "two"),
        "junk": "<!doctype html>\n<p>Log in\n",
    }.items():
        package = tmp_path / name / "users.csv"
        package.parent.mkdir()
        package.write_text(text)
        runs.append(live.oneroster("sync", str(package), "--kind", "users", "--site", site))
    lost = "insert into out_of_step values (%s, 'users', '2026-09-03', 'deltas were lost')"
    live.rows(f"{lost} returning file", site)
    with browsing(theme) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites/{site}")
        title = page.get_by_text("Out of step with users.csv: ask the SIS for a bulk file")
        expect(title).to_be_visible()
        why = "Deltas of it were lost on 2026-09-03: deltas were lost."
        expect(page.get_by_text(why)).to_be_visible()
        visit(page, f"{live.origin}{RUNS}/{runs[1]['run_id']}?tab=findings")
        cause = page.get_by_role("listitem").filter(has_text="semantic.identity_reuse")
        cause.get_by_role("button", name="Show rows").click()
        expect(cause.get_by_role("row").nth(1)).to_contain_text("Has itAnn Lee")
        expect(cause.get_by_role("row").nth(1)).to_contain_text("Comes under itZoe Fay")
        visit(page, f"{live.origin}{RUNS}/{runs[2]['run_id']}")
        expect(page.get_by_text("Unknown version")).to_be_visible()


def test_held_run_shows_schools_and_its_expiry(live: Live, held: dict[str, Any]) -> None:
    """A held run shows the school with most removals, its expiry, and Airflow's own question."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{RUNS}/{held['run_id']}")
        page.get_by_text("8 of 16 users would be deactivated.", exact=True).wait_for()
        schools = page.get_by_role("region", name="By school")
        expect(schools.get_by_role("row")).to_have_count(2)
        expect(schools.get_by_role("row").nth(1)).to_contain_text("Lake School")
        expect(schools.get_by_role("row").nth(1)).to_contain_text("8 of 10 removed")
        expect(page.get_by_text("Expires")).to_contain_text("in 72 hours")
        page.get_by_role("link", name="Required Actions").click()
        page.wait_for_url(re.compile("/required_actions"))
        page.get_by_text("default: 8 of 16 users would be deactivated").first.wait_for()


def test_removals_wait_in_a_run_of_their_own(live: Live, removals: dict[str, Any]) -> None:
    """A run links to the run of its pending removals, where a person approves them."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{RUNS}/{removals['removals_of']}")
        page.get_by_role("heading", name="Its removals wait for a decision").wait_for()
        expect(page.get_by_text("Left out of this plan: 8 users deactivated.")).to_be_visible()
        page.get_by_role("link", name="Look at the removals").click()
        page.wait_for_url(re.compile(removals["run_id"]))
        expect(page.get_by_text("The rest of that plan has been applied.")).to_be_visible()
        page.get_by_role("button", name=re.compile("^Approve: .*…$")).click()
        dialog(page).get_by_role("button", name=re.compile("^Approve: ")).click()
        page.get_by_text("Applied after approval by admin: 8 users deactivated.").first.wait_for(
            timeout=SLOW_MS
        )
        page.get_by_role("link", name=f"run {removals['removals_of'][:8]}").click()
        page.get_by_role("heading", name="Its removals were a run of their own").wait_for()
    assert live.admin.get(f"runs/{removals['run_id']}")["decision"]["by"] == "admin"


def test_one_record_is_taken_back(live: Live, removals: dict[str, Any]) -> None:
    """The undo of one record shows its effect before it starts, and is applied."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{RUNS}/{removals['run_id']}?tab=changes")
        page.get_by_role("button", name="Undo what changed of Ann L3…").click()
        asked = dialog(page)
        expect(asked.get_by_label("sourcedId")).to_have_value("l3")
        expect(asked.get_by_role("row", name="Reactivated")).to_contain_text("1")
        asked.get_by_label("What to undo").select_option("Everything")
        expect(asked.get_by_role("row", name="Reactivated")).to_contain_text("8")
        asked.get_by_label("What to undo").select_option("One user or one course")
        asked.get_by_label("sourcedId").fill("nobody")
        expect(asked.get_by_text("This run did not change that record")).to_be_visible()
        expect(asked.get_by_role("button", name="Undo", exact=True)).to_be_disabled()
        asked.get_by_label("sourcedId").fill("l3")
        expect(asked.get_by_role("row", name="Reactivated")).to_contain_text("1")
        asked.get_by_role("button", name="Undo", exact=True).click()
        page.get_by_text("Applied: 1 user reactivated.").first.wait_for(timeout=SLOW_MS)
        expect(page.get_by_text("only l3 with its course assignments.")).to_be_visible()
        visit(page, f"{live.origin}{RUNS}/{removals['run_id']}")
        page.get_by_role("button", name="Undo…", exact=True).click()
        expect(dialog(page).get_by_role("button", name="1 record")).to_be_visible()
        left = dialog(page).get_by_label("Records that are not undone")
        expect(left).to_contain_text("user l3, because it changed again since")
    active = live.rows("select status from users where sourced_id = 'l3'")
    assert active == [("active",)]


def test_accounts_made_by_hand_are_linked(live: Live, tmp_path: Path) -> None:
    """A run lists accounts that it does not manage, and an uploaded links.csv links one."""
    first = live.admin.get("sites/default/runs")["runs"][-1]
    links = tmp_path / "links.csv"
    links.write_text("email,sourcedId\nzoe@old.org,l99\n")
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{RUNS}/{first['run_id']}?tab=accounts")
        page.get_by_text("zoe@old.org").wait_for()
        expect(page.get_by_text("credited administrator: never changed")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as CSV").click()
        assert "zoe@old.org" in download.value.path().read_text("utf-8")
        page.get_by_role("link", name="Upload links.csv").click()
        page.get_by_role("button", name="Choose links.csv").wait_for()
        page.locator("input[aria-label='links.csv']").set_input_files(links)
        page.get_by_role("button", name="Upload and sync").click()
        page.get_by_text("Applied: 1 user adopted.").first.wait_for(timeout=SLOW_MS)
    query = "select sourced_id, managed from users where email = 'zoe@old.org'"
    assert live.rows(query) == [("l99", True)]


@pytest.mark.case("c06", "a83")
def test_markup_is_text_on_every_page(live: Live, tmp_path: Path) -> None:
    """Every page shows values as text: no script runs, and no request goes to another server.

    The console is silent too, so the content policy of the pages had nothing to refuse.
    """
    applied, held = (f"{RUNS}/{run_id}" for run_id in hostile.two_runs(live, tmp_path))
    people = live.rows("select id from users where site = 'hostile' order by id")
    home = "/plugin/oneroster/sites/hostile"
    places = {
        home: (),
        f"{home}/preferences": hostile.NOTES,
        f"{home}/why?q=owned": (),
        **{f"{home}/why/user/{id_}": () for (id_,) in people[1::6]},
        **{f"{applied}?tab={tab}": () for tab in ("overview", "findings", "report", "accounts")},
        f"{applied}?tab=changes": hostile.PAYLOADS,
        **{f"{held}?tab={tab}": () for tab in ("overview", "changes", "report")},
        f"{held}?tab=findings": [f"!{text}" for text in hostile.PAYLOADS],
    }
    asked, dialogs = set[str](), list[str]()

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    with browsing(alone=True) as page:
        page.on("dialog", refuse)
        log_in(page, live.origin)
        page.on("request", lambda request: asked.add(request.url))
        for place, texts in places.items():
            visit(page, live.origin + place)
            page.get_by_role("heading", level=1).wait_for()
            page.wait_for_load_state("networkidle")
            if place == f"{held}?tab=findings":
                cause = page.get_by_role("listitem").filter(has_text="row.invalid_boolean")
                cause.get_by_role("button").click()
                cause.get_by_role("row").nth(len(hostile.PAYLOADS)).wait_for()
            shown = "".join(page.locator("body").text_content() or "")
            values = page.locator("input").evaluate_all("them => them.map(it => it.value)")
            missing = [text for text in texts if text not in shown and text not in values]
            assert not missing, (place, missing)
            assert page.evaluate("typeof globalThis.owned") == "undefined", place
    assert not dialogs
    assert [url for url in asked if not url.startswith((live.origin, "data:", "blob:"))] == []


@contextmanager
def at_preferences(live: Live, section: str) -> Iterator[Page]:
    """Yield a section of the preferences as the administrator sees it, once it is loaded."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/preferences?section={section}")
        page.get_by_role("navigation", name="Sections of the preferences").wait_for()
        yield page


def save(page: Page) -> None:
    """Save the changes, and wait until they are saved."""
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text(SAVED).first.wait_for()


def dialog(page: Page) -> Locator:
    """Return the open dialog."""
    return page.get_by_role("alertdialog")


def settings_of(live: Live) -> dict[str, Any]:
    """Return the saved preferences."""
    settings: dict[str, Any] = live.admin.get("sites/default/preferences")["settings"]
    return settings


def restore(live: Live, settings: dict[str, Any]) -> None:
    """Save preferences over the current version."""
    version = live.admin.get("sites/default/preferences")["version"]
    live.admin.put("sites/default/preferences", {"version": version, "settings": settings})


def prefer(live: Live, *, guards: dict[str, Any]) -> None:
    """Save some thresholds, and keep the others."""
    now = settings_of(live)
    restore(live, {**now, "guards": {**now["guards"], **guards}})
