"""Sites in a real Airflow: their DAGs appear and disappear, and a browser shows the list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser import browsing, log_in, press, reach
from live import running, wait_for
from measures import CONTRAST, FOCUS_IS_SEEN
from roster_of import SCHOOL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from browser import Page
    from live import Live

pytestmark = pytest.mark.long

ADMIN = "admin@example.org"
MANY = 60


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Yield an Airflow with the site `default`."""
    with running() as airflow:
        yield airflow


def site_of(live: Live, name: str) -> dict[str, Any]:
    """Return a site from the list of sites."""
    (found,) = [site for site in live.admin.get("sites")["sites"] if site["site"] == name]
    return dict(found)


def has_dags(live: Live, name: str, *, wanted: bool) -> bool | None:
    """Return True if Airflow lists both DAGs of a site, or neither, as wanted; else None."""
    listed = live.api._call("GET", "/api/v2/dags?limit=1000")["dags"]
    ids = {dag["dag_id"] for dag in listed}
    found = [f"oneroster_{kind}__{name}" in ids for kind in ("sync", "upload")]
    return True if found == [wanted, wanted] else None


def make(live: Live, name: str) -> None:
    """Make a site by the API, and wait until Airflow has its DAGs."""
    live.admin.post("sites", {"site": name, "admin": ADMIN}, expect=202)
    wait_for(lambda: has_dags(live, name, wanted=True))


def test_a_site_made_here_has_its_dags_soon_and_is_off(live: Live) -> None:
    """A new site has its DAGs soon: the scheduled DAG is paused, and the upload DAG is not."""
    make(live, "soon")
    found = site_of(live, "soon")
    assert (found["enabled"], found["next_run"], found["last_run"]) == (False, None, None)
    answer = live.admin.post("sites", {"site": "soon", "admin": ADMIN}, expect=409)
    assert (answer["code"], answer["errors"][0]["field"]) == ("site.exists", "site")
    answer = live.admin.post("sites", {"site": "No way", "admin": "nobody"}, expect=422)
    assert [error["field"] for error in answer["errors"]] == ["site", "admin"]
    answer = live.admin.post("sites/soon/copy", {"site": "soon2", "admin": "a@x.org"}, expect=202)
    assert answer == {"site": "soon2"}
    live.admin.post("sites/nowhere/copy", {"site": "soon3", "admin": "a@x.org"}, expect=404)


def test_an_archived_site_is_gone_from_airflow_and_can_be_read(live: Live, tmp_path: Path) -> None:
    """An archived site has hidden DAGs and refuses all writes; a restored one is switched off."""
    make(live, "leaver")
    folder = tmp_path / "school"
    folder.mkdir()
    for name, text in SCHOOL.items():
        (folder / name).write_text(text)
    run = live.oneroster("sync", str(folder), "--site", "leaver")["run_id"]
    live.admin.put("sites/leaver/enabled", {"enabled": True})
    assert live.admin.post("sites/leaver/archive") == {"site": "leaver", "ended": []}
    assert has_dags(live, "leaver", wanted=False)
    users = (folder / "users.csv").read_bytes()
    doors: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "sites/leaver/uploads?kind=users", {"content": users}),
        ("POST", "sites/leaver/runs", {}),
        ("POST", f"runs/{run}/undo", {"json": {}}),
        ("PUT", "sites/leaver/enabled", {"json": {"enabled": True}}),
        ("POST", "sites/leaver/notices/test", {}),
        (
            "POST",
            "/api/v2/dags/oneroster_upload__leaver/dagRuns",
            {"json": {"logical_date": None, "conf": {"package": str(folder)}}},
        ),
    ]
    for method, path, more in doors:
        assert live.admin.ask(method, path, 409, **more)["code"] == "site.archived", path
    saved = live.admin.get("sites/leaver/preferences")
    assert saved["archived_at"]
    body = {"version": saved["version"], "settings": saved["settings"]}
    assert live.admin.put("sites/leaver/preferences", body, 409)["code"] == "site.archived"
    assert live.admin.get(f"runs/{run}")["can"]["undo"] is False
    assert live.admin.get(f"runs/{run}/changes")["changes"]
    assert live.admin.get("sites/leaver/records?q=ann")["records"]
    me = live.admin.get("me?site=leaver")
    assert me["archived_at"]
    assert [name for name, may in me["may"].items() if may] == ["read", "details"]
    live.admin.post("sites/leaver/restore", expect=200)
    wait_for(lambda: has_dags(live, "leaver", wanted=True))
    assert site_of(live, "leaver")["enabled"] is False
    assert live.admin.post("sites/leaver/restore", expect=409)["code"] == "site.in_use"
    live.admin.put("sites/leaver/enabled", {"enabled": True})
    assert site_of(live, "leaver")["enabled"] is True


def test_dags_go_when_a_site_is_archived_elsewhere(live: Live) -> None:
    """If the command line archives or restores a site, Airflow follows, and the sync is off."""
    make(live, "elsewhere")
    live.admin.put("sites/elsewhere/enabled", {"enabled": True})
    live.oneroster("sites", "archive", "elsewhere")
    wait_for(lambda: has_dags(live, "elsewhere", wanted=False))
    live.oneroster("sites", "restore", "elsewhere")
    wait_for(lambda: has_dags(live, "elsewhere", wanted=True))
    dag = "/api/v2/dags/oneroster_sync__elsewhere"
    live.api._call("PATCH", dag, body={"is_paused": False})
    assert site_of(live, "elsewhere")["enabled"] is True, "the latest request counts"
    live.oneroster("sites", "archive", "elsewhere")
    live.oneroster("sites", "restore", "elsewhere")
    assert live.admin.get("sites/elsewhere/preferences")["enabled"] in {False, None}
    wait_for(lambda: has_dags(live, "elsewhere", wanted=True))
    assert site_of(live, "elsewhere")["enabled"] is False


def test_a_site_in_use_is_needed(live: Live) -> None:
    """The API refuses to archive the last site."""
    others = [site["site"] for site in live.admin.get("sites")["sites"]]
    for name in others:
        if name != "default":
            live.admin.post(f"sites/{name}/archive")
    assert live.admin.post("sites/default/archive", expect=409)["code"] == "site.last"
    for name in others:
        if name != "default":
            live.admin.post(f"sites/{name}/restore", expect=200)


def test_a_site_is_made_copied_archived_and_restored_by_hand(live: Live) -> None:
    """The list of sites can make, copy, archive and restore a site; an error is at its field."""
    with browsing(ignoring=("status of 409", "status of 422")) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        press(page, page.get_by_role("button", name="New site…"))
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label(re.compile("^Name"))).to_be_focused()
        page.keyboard.type("By Hand")
        page.keyboard.press("Tab")
        page.keyboard.type("nobody")
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("A name has 1 to 63 lowercase letters")).to_be_visible()
        expect(dialog.get_by_text("Enter a valid e-mail address.")).to_be_visible()
        dialog.get_by_label(re.compile("^Name")).fill("default")
        dialog.get_by_label(re.compile("^E-mail")).fill("hand@x.org")
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("A site default exists already")).to_be_visible()
        dialog.get_by_label(re.compile("^Name")).fill("by-hand")
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        page.get_by_text("Site created: by-hand").wait_for()
        expect(page.get_by_role("link", name="by-hand", exact=True)).to_be_visible()
        page.get_by_role("button", name="Actions of by-hand", exact=True).click()
        page.get_by_role("menuitem", name="Copy…").click()
        dialog.get_by_label(re.compile("^Name")).fill("by-hand-2")
        dialog.get_by_label(re.compile("^E-mail")).fill("hand@x.org")
        dialog.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("link", name="by-hand-2", exact=True)).to_be_visible()
        page.get_by_role("button", name="Actions of by-hand-2").click()
        page.get_by_role("menuitem", name="Archive…").click()
        page.get_by_role("alertdialog").get_by_role("button", name="Archive").click()
        expect(page.get_by_role("link", name="by-hand-2", exact=True)).to_have_count(0)
        page.get_by_label("Which sites").select_option("archived")
        expect(page.get_by_text(re.compile("Archived .* by admin")).first).to_be_visible()
        page.get_by_role("link", name="by-hand-2", exact=True).click()
        expect(page.get_by_text("This site is archived since")).to_be_visible()
        expect(page.get_by_role("link", name="Upload a package")).to_have_count(0)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        page.get_by_label("Which sites").select_option("archived")
        page.get_by_role("button", name="Actions of by-hand-2").click()
        page.get_by_role("menuitem", name="Restore…").click()
        page.get_by_role("alertdialog").get_by_role("button", name="Restore").click()
        expect(page.get_by_role("button", name="Actions of by-hand-2")).to_have_count(0)
    assert site_of(live, "by-hand-2")["archived_at"] is None


def test_the_switch_of_the_list_is_airflows(live: Live) -> None:
    """Switching a sync on asks first; switching off does not, and works if the page is left."""
    name = re.compile("^Sync of default:")
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        switch = page.get_by_role("checkbox", name=name)
        switch.focus()
        page.keyboard.press("Space")
        page.get_by_role("alertdialog").get_by_role("button", name="Switch on").click()
        expect(switch).to_be_checked()
        assert site_of(live, "default")["enabled"] is True
        switch.focus()
        page.keyboard.press("Space")
        expect(switch).not_to_be_checked()
    wait_for(lambda: site_of(live, "default")["enabled"] is False)


def test_a_viewer_looks_and_no_more(live: Live) -> None:
    """A viewer of the list has no button and no usable switch."""
    with browsing() as page:
        log_in(page, live.origin, "viewer")
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        expect(page.get_by_role("checkbox", name=re.compile("^Sync of default:"))).to_be_disabled()
        buttons = page.get_by_role("button", name=re.compile("New site|Actions of|Stop all"))
        expect(buttons).to_have_count(0)


def test_a_site_has_a_name_for_people(live: Live) -> None:
    """The display name is in the list and on the site's pages; addresses keep the id."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        page.get_by_role("button", name="Actions of default").click()
        page.get_by_role("menuitem", name="Display name…").click()
        asked = page.get_by_role("alertdialog")
        asked.get_by_label("Display name").fill("  North County   District ")
        asked.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="North County District", exact=True).click()
        page.wait_for_url(re.compile("/sites/default$"))
        expect(page.get_by_role("navigation").get_by_text("North County District")).to_be_visible()
    live.admin.put("sites/default/title", {"title": " "})
    assert site_of(live, "default")["title"] is None


def test_all_syncs_are_stopped_and_resumed(live: Live) -> None:
    """All syncs stop with a reason that every page shows, and the switches stay as they are."""
    before = site_of(live, "default")["enabled"]
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        press(page, page.get_by_role("button", name="Stop all syncs…"))
        asked = page.get_by_role("alertdialog")
        stop = asked.get_by_role("button", name="Stop all syncs", exact=True)
        expect(stop).to_be_disabled()
        reach(page, asked.get_by_label(re.compile("^Reason")))
        page.keyboard.type("The SIS is upgraded.")
        press(page, stop)
        page.get_by_text("All syncs stopped").wait_for()
        message = page.get_by_text("All syncs are stopped for maintenance")
        expect(message).to_be_visible()
        page.goto(f"{live.origin}/plugin/oneroster/sites/default/upload")
        expect(message).to_be_visible()
        expect(page.get_by_text("The SIS is upgraded. (admin, since")).to_be_visible()
        refused = live.admin.upload(b"PK\3\4", expect=409)
        assert refused["code"] == "maintenance.on"
        live.person("viewer").put("maintenance", {"reason": None}, expect=403)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        press(page, page.get_by_role("button", name="End maintenance…"))
        press(page, asked.get_by_role("button", name="Resume all syncs"))
        page.get_by_text("All syncs resumed").wait_for()
        expect(message).to_have_count(0)
    assert site_of(live, "default")["enabled"] is before


@pytest.fixture(scope="module")
def many(live: Live) -> list[str]:
    """Make more sites than one page of the list can show."""
    names = [f"school-{number:03}" for number in range(MANY)]
    live.rows("insert into sites (site) select unnest(%s::text[]) returning site", names)
    return names


def test_many_sites_are_searched_and_paged(live: Live, many: list[str]) -> None:
    """The list shows twenty-five sites at a time; the search finds all of them."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(25)
        page.get_by_role("button", name="Next", exact=True).click()
        expect(page.get_by_text(re.compile(r"^26 to 50 of \d+ sites$"))).to_be_visible()
        page.get_by_label("Search sites by name").fill("school-059")
        expect(rows).to_have_count(1)
        expect(page.get_by_text("1 site", exact=True)).to_be_visible()
        page.get_by_label("Search sites by name").fill("nothing like it")
        expect(page.get_by_text("No matches")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1600])
def test_the_list_fits_and_can_be_read(live: Live, many: list[str], theme: str, width: int) -> None:
    """Only the table scrolls sideways; all controls have a name, visible focus and contrast."""
    with browsing(theme, width) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/plugin/oneroster/sites")
        page.locator("tbody tr").first.wait_for()
        page.wait_for_load_state("networkidle")
        assert overflow(page) <= 0
        for badge in page.locator("tbody .chakra-badge").all():
            assert badge.evaluate(CONTRAST) >= 4.5, badge.inner_text()
        for role in ("button", "link", "textbox", "checkbox", "combobox", "searchbox"):
            every = page.get_by_role(role)
            assert page.get_by_role(role, name=re.compile(r"\S")).count() == every.count(), role
        page.get_by_role("heading", level=1).evaluate("it => { it.tabIndex = -1; it.focus(); }")
        for _ in range(6):
            page.keyboard.press("Tab")
            assert page.evaluate(FOCUS_IS_SEEN)
        page.get_by_role("button", name="New site…").click()
        page.get_by_role("dialog").wait_for()
        assert overflow(page) <= 0


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wider
