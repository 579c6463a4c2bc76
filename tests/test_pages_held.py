"""The page of a held run: the decision in sight, its consequence, and what is held back."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser import browsing, log_in
from live import running, wait_for
from towns import HOME, Town, district, packed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Live

SLOW_MS = 90_000


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow of its own."""
    with running() as airflow:
        yield airflow


@pytest.fixture(scope="module")
def waits(live: Live) -> dict[str, Any]:
    """A run of Airflow that waits: half of the teachers of an upload are gone from the next one."""
    assert live.follow(live.admin.upload(packed(district())))["outcome"] == "succeeded"
    run = live.follow(live.admin.upload(packed(district(lacks=10))))
    assert run["outcome"] == "held", run["sentence"]
    return run


def test_the_decision_stays_in_sight_and_names_its_consequence(
    live: Live, waits: dict[str, Any]
) -> None:
    """The bar is seen on every tab; a school leads to its changes, and these to a CSV."""
    with browsing(height=600) as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{waits['run_id']}")
        approve = page.get_by_role("button", name="Approve: deactivate 10 users…")
        expect(approve).to_be_in_viewport()
        page.get_by_role("link", name="Lake School").click()
        page.wait_for_url(re.compile("tab=changes&school=lake"))
        expect(page.get_by_role("heading", name="Approval required")).to_have_count(0)
        expect(approve).to_be_in_viewport()
        rows = page.get_by_role("table").get_by_role("row")
        expect(rows.nth(1)).to_contain_text("Lake School")
        expect(rows.nth(1)).to_contain_text("teacher · t0@x.org")
        page.get_by_label("Kind").select_option("Users")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download CSV").click()
        found = list(csv.DictReader(download.value.path().open(encoding="utf-8-sig")))
        assert [(row["school"], row["role"], row["action"]) for row in found] == [
            ("Lake School", "teacher", "deactivate")
        ] * 10
        assert {row["email"] for row in found} == {f"t{n}@x.org" for n in range(10)}
        approve.click()
        confirm = page.get_by_role("alertdialog")
        expect(confirm.get_by_role("button", name="Approve: deactivate 10 users")).to_be_visible()
        expect(confirm.get_by_role("row", name=re.compile("Reactivated"))).to_have_count(0)


def test_some_removals_are_held_back_and_decided_about_later(
    live: Live, waits: dict[str, Any]
) -> None:
    """Both plans are shown before; exactly the first is applied, and the rest waits anew."""
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/runs/{waits['run_id']}")
        page.get_by_role("button", name="Approve and hold back…").click()
        asked = page.get_by_role("alertdialog")
        approve = asked.get_by_role("button", name=re.compile("^Approve"))
        expect(approve).to_be_disabled()
        asked.get_by_text("All deactivated users (10)", exact=True).click()
        now = asked.get_by_role("region", name="Applied now")
        expect(now.get_by_role("row", name=re.compile("removed 0 0 10"))).to_be_visible()
        rest = asked.get_by_role("region", name="Held back for another decision")
        expect(rest.get_by_role("row", name=re.compile("removed 10 0 0"))).to_be_visible()
        first_hash = now.get_by_role("code").get_attribute("title")
        expect(approve).to_have_text("Approve: remove 10 course assignments")
        approve.click()
        told = "Applied after approval by admin: 10 course assignments removed."
        page.get_by_text(told).first.wait_for(timeout=SLOW_MS)
    done = live.decided(waits["run_id"])
    assert done["plan_hash"] == first_hash != waits["plan_hash"]
    query = "select count(*) from users where site = 'default' and status = 'active'"
    assert live.rows(query) == [(21,)]

    def brought() -> dict[str, Any] | None:
        id_ = live.admin.get(f"runs/{waits['run_id']}")["removals_run"]
        run: dict[str, Any] | None = live.admin.get(f"runs/{id_}") if id_ else None
        return run if run and run["outcome"] == "held" else None

    later = wait_for(brought)
    assert later["counts"]["users"]["deactivated"] == 10
    assert "guard.held_back" in [hold["code"] for hold in later["holds"]]


def test_history_begins_with_a_sentence_and_ends_in_a_button(live: Live, tmp_path: Path) -> None:
    """Who is gone is found from the page of all sites, with the reason, and put back from there."""
    town = Town(live, tmp_path, "glade")
    town.sync()
    run = town.sync(lacks=4)
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}{HOME}/sites")
        page.get_by_role("link", name="Find a person…").click()
        box = page.get_by_role("searchbox", name="Family name, e-mail address, sourcedId or title")
        box.fill("Kim Lee 0")
        box.press("Enter")
        row = page.get_by_role("row").filter(has_text="glade").filter(has_text="Kim Lee 0")
        row.get_by_role("link").click()
        expect(
            page.get_by_text(re.compile(r"^Deactivated on \d+ \w+ \d{4} because "))
        ).to_have_text(re.compile("users.csv of glade.zip no longer contained this person"))
        expect(page.get_by_text("Lake School").first).to_be_visible()
        expect(page.get_by_text("No course is assigned to this person.")).to_be_visible()
        page.get_by_role("button", name="Reactivate…").click()
        dialog = page.get_by_role("alertdialog")
        expect(dialog).to_contain_text("The next sync takes this back unless the SIS lists")
        expect(dialog.get_by_role("row", name=re.compile("^Reactivated 1"))).to_be_visible()
        expect(dialog.get_by_role("button", name="Reactivate")).to_be_enabled()
        page.keyboard.press("Escape")
    undone = live.oneroster("undo", run["run_id"], "--record", "t0", "--site", town.name)
    assert undone["counts"]["users"]["reactivated"] == 1
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{town.home}/why?q=t0")
        expect(page.get_by_text(re.compile("undid run"))).to_be_visible()
        expect(page.get_by_role("link", name="Course 0")).to_be_visible()
        expect(page.get_by_role("button", name="Reactivate…")).to_have_count(0)
