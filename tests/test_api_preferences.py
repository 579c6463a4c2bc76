"""Preferences through the API: Airflow follows what is saved, and a save is complete or refused.

No scheduler runs here, so that no run starts while the tests change the schedule.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import pytest

from live import SYNC, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Live

SITE = "sites/default"
PREFERENCES = f"{SITE}/preferences"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow of its own, with the site `default`."""
    with running() as live:
        yield live


def shown(live: Live) -> dict[str, Any]:
    """Return the preferences as a page gets them."""
    found: dict[str, Any] = live.admin.get(PREFERENCES)
    return found


def save(live: Live, expect: int | None = None, **changes: Any) -> Any:
    """Save the preferences with some settings changed."""
    now = shown(live)
    body = {"version": now["version"], "settings": {**now["settings"], **changes}}
    return live.admin.put(PREFERENCES, body, expect)


def enable(live: Live, enabled: bool) -> dict[str, Any]:  # noqa: FBT001  as the page sends it
    """Switch the sync on or off."""
    found: dict[str, Any] = live.admin.put(f"{SITE}/enabled", {"enabled": enabled})
    return found


def newest_save(live: Live) -> dict[str, Any]:
    """Return the newest entry of the site's audit."""
    (found,) = live.admin.get(f"{PREFERENCES}/saves", limit=1)["saves"]
    return dict(found)


def in_airflow(live: Live) -> dict[str, Any]:
    """Return the scheduled DAG as Airflow's own API shows it."""
    found: dict[str, Any] = live.admin.get(f"/api/v2/dags/{SYNC}")
    return found


def moment(text: str) -> dt.datetime:
    """Return a time of the API; it must be UTC."""
    found = dt.datetime.fromisoformat(text)
    assert found.utcoffset() == dt.timedelta(0)
    return found


def test_new_site_shows_its_defaults_and_next_runs(live: Live) -> None:
    """The answer has settings, the last save, the sync's switch, and the next five runs."""
    found = shown(live)
    assert (found["site"], found["saved_by"]) == ("default", "init of default")
    assert found["settings"]["credited_admin"] == "admin@example.org"
    assert found["settings"]["time_utc"] == "02:00"
    assert found["credited_admin_active"] is True
    assert (found["enabled"], found["next_run"]) == (False, None)
    slots = [moment(line["at"]) for line in found["upcoming"]]
    assert len(slots) == 5
    assert slots == sorted(slots)
    assert slots[0] > dt.datetime.now(dt.UTC)
    assert {(slot.hour, slot.minute) for slot in slots} == {(2, 0)}
    (listed,) = live.admin.get("sites")["sites"]
    of_the_switch = {"site": "default", "in_airflow": True, "enabled": False, "next_run": None}
    assert of_the_switch.items() <= listed.items()


def test_saved_time_moves_the_next_run_in_airflow(live: Live) -> None:
    """Within thirty seconds of a save, Airflow's next run is the one that the page shows."""
    enable(live, enabled=True)
    everyday = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    hour = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)).hour
    saved = save(live, days=everyday, time_utc=f"{hour:02}:17")
    began = time.monotonic()
    first = saved["upcoming"][0]["at"]
    assert moment(first).minute == 17

    def moved() -> bool | None:
        found = in_airflow(live)["next_dagrun_run_after"]
        return True if found and moment(found) == moment(first) else None

    wait_for(moved, within_s=30)
    assert time.monotonic() - began < 30
    assert moment(shown(live)["next_run"]) == moment(first)
    enable(live, enabled=False)


def test_every_setting_is_returned_as_saved(live: Live) -> None:
    """Every setting is returned as saved, with the next version and the name of the saver."""
    before = shown(live)
    settings: dict[str, Any] = {
        "credited_admin": "admin@example.org",
        "days": ["monday", "sunday"],
        "time_utc": "23:59",
        "time_zone": "America/Chicago",
        "pause_windows": [
            {"first_on": "2027-06-15", "last_on": "2027-08-15", "note": "summer <b>☀</b>"}
        ],
        "scope": "users",
        "teacher_permission": "lessons_only",
        "profile": "strict",
        "assignment_roles": ["teacher", "aide"],
        "adopt_accounts": True,
        "guards": {
            "users": {"percent": 2.5, "minimum": 1, "cap": 7},
            "courses": {"percent": 0.0, "minimum": 9, "cap": None},
            "assignments": {"percent": 100.0, "minimum": 5, "cap": 0},
            "school": {"percent": 33.0, "minimum": 3, "cap": 30},
            "week": {"percent": 15.0, "minimum": 8, "cap": 90},
            "added_users": {"percent": 30.0, "minimum": 6, "cap": None},
            "reactivated_users": {"percent": 6.0, "minimum": 4, "cap": 50},
            "changed_roles": {"percent": 26.0, "minimum": 7, "cap": None},
            "moved_terms": {"percent": 11.0, "minimum": 12, "cap": 13},
            "updated_users": {"percent": 50.0, "minimum": 10, "cap": 400},
            "updated_courses": {"percent": 60.0, "minimum": 11, "cap": None},
            "sourced_ids": {"percent": 5.0, "minimum": 2, "cap": 9},
            "error_percent": 1.0,
            "known_percent": 99.0,
            "removals_wait": True,
            "raised": {"percent": 40.0, "until": "2027-07-31", "note": "two schools merge"},
        },
        "approval_hours": 48,
        "create_only_until": "2027-08-31",
        "expire_ended_terms": False,
        "stale_protection_runs": 21,
        "stale_after_days": None,
        "done_within_hours": 3,
        "notices": {
            "recipients": ["sis@district.example"],
            "channels": [],
            "topics": ["held", "digest"],
            "errors_from": 7,
        },
        "source": "sftp://sis.example.org/it's here",
        "source_connection": "sis_sftp",
        "source_pattern": "One*.zip",
        "source_after": "move",
        "started_by": "both",
        "encoding": "windows-1252",
        "delimiter": "semicolon",
        "date_order": "month_first",
    }
    assert settings.keys() == before["settings"].keys()
    assert settings["guards"].keys() == before["settings"]["guards"].keys()
    saved = live.admin.put(PREFERENCES, {"version": before["version"], "settings": settings})
    assert saved["settings"] == shown(live)["settings"] == settings
    assert saved["version"] == before["version"] + 1
    assert saved["saved_by"] == "admin"
    assert moment(saved["saved_at"]) > moment(before["saved_at"])
    live.admin.put(PREFERENCES, {"version": saved["version"], "settings": before["settings"]})


@pytest.mark.case("b27")
def test_second_of_two_savers_gets_the_current_settings(live: Live) -> None:
    """The second save is refused with the name of the first saver and the current settings."""
    mine = shown(live)
    save(live, time_utc="04:44")
    body = {"version": mine["version"], "settings": {**mine["settings"], "time_utc": "05:55"}}
    refused = live.admin.put(PREFERENCES, body, 409)
    assert refused["code"] == "preferences.conflict"
    assert refused["detail"].startswith("admin saved these preferences")
    theirs = shown(live)
    assert refused["current"]["version"] == theirs["version"]
    assert refused["current"]["settings"] == theirs["settings"]
    assert theirs["settings"]["time_utc"] == "04:44"
    again = live.admin.put(PREFERENCES, {**body, "version": refused["current"]["version"]})
    assert again["settings"]["time_utc"] == "05:55"


@pytest.mark.parametrize(
    ("setting", "value", "field"),
    [
        ("credited_admin", "nobody@example.org", "credited_admin"),
        ("credited_admin", 7, "credited_admin"),
        ("days", [], "days"),
        ("days", ["someday"], "days.0"),
        ("time_utc", "25:00", "time_utc"),
        ("time_utc", "02:00:30", "time_utc"),
        ("time_utc", "02:00+02:00", "time_utc"),
        ("pause_windows", [{"first_on": "2027-06-02", "last_on": "2027-06-01"}], "pause_windows.0"),
        (
            "pause_windows",
            [{"first_on": "soon", "last_on": "2027-06-01"}],
            "pause_windows.0.first_on",
        ),
        (
            "pause_windows",
            [{"first_on": "2027-06-01", "last_on": "2027-06-01", "note": "a\u0000b"}],
            "pause_windows.0.note",
        ),
        ("scope", "courses", "scope"),
        ("scope", "everything", "scope"),
        ("teacher_permission", "all", "teacher_permission"),
        ("profile", "lenient", "profile"),
        ("assignment_roles", ["aide"], "assignment_roles"),
        ("adopt_accounts", "perhaps", "adopt_accounts"),
        ("guards", {"users": {"percent": 101}}, "guards.users.percent"),
        ("guards", {"courses": {"minimum": 0}}, "guards.courses.minimum"),
        ("guards", {"assignments": {"cap": -1}}, "guards.assignments.cap"),
        ("guards", {"error_percent": -1}, "guards.error_percent"),
        ("guards", {"unknown": 1}, "guards.unknown"),
        ("source", "/srv/\n", "source"),
        ("source", "x" * 1001, "source"),
        ("source", "https://ann:pw@sis.example.org/o.zip", "source"),
        ("source", "https://sis.example.org/o.zip?token=7", "source"),
        ("source", "ftp://sis.example.org/o.zip", "source"),
        ("source", "carrierpigeon://coop/o.zip", "source"),
        ("source", "sftp://sis.example.org/", "source_connection"),
        ("source_connection", "a b", "source_connection"),
        ("source_pattern", "", "source_pattern"),
        ("source_pattern", "out/*.zip", "source_pattern"),
        ("source_after", "delete", "source_after"),
        ("encoding", "latin-1", "encoding"),
        ("delimiter", ";", "delimiter"),
        ("date_order", "guess", "date_order"),
        ("colour", "blue", "colour"),
    ],
)
def test_invalid_field_is_named(live: Live, setting: str, value: object, field: str) -> None:
    """An invalid setting is refused with the field's name, and nothing is saved."""
    before = shown(live)
    refused = save(live, 422, **{setting: value})
    errors = {error["field"]: error["message"] for error in refused["errors"]}
    assert list(errors) == [field]
    assert errors[field].endswith(".")
    assert errors[field][0].isupper()
    assert shown(live) == before


def test_all_invalid_fields_are_named_at_once(live: Live) -> None:
    """One answer names all invalid fields."""
    refused = save(live, 422, days=[], time_utc="noon", source="\t")
    assert {error["field"] for error in refused["errors"]} == {"days", "time_utc", "source"}


@pytest.mark.parametrize("setting", ["credited_admin", "pause_windows", "guards", "source"])
def test_settings_are_saved_all_or_none(live: Live, setting: str) -> None:
    """A missing setting does not become its default: the save is refused."""
    before = shown(live)
    settings = {name: value for name, value in before["settings"].items() if name != setting}
    body = {"version": before["version"], "settings": settings}
    refused = live.admin.put(PREFERENCES, body, 422)
    assert [error["field"] for error in refused["errors"]] == [setting]
    assert shown(live) == before


@pytest.mark.parametrize("body", ["", "{", "[]", "7", '{"version": 1}', '{"settings": {}}', "\x00"])
def test_invalid_body_is_refused(live: Live, body: str) -> None:
    """An invalid body is refused with a validation error."""
    headers = {"Content-Type": "application/json"}
    live.admin.ask("PUT", PREFERENCES, 422, content=body, headers=headers)


def test_preview_shows_the_runs_of_a_schedule_that_is_not_saved(live: Live) -> None:
    """The preview shows the next runs and pauses of an edited schedule; nothing is saved."""
    before = shown(live)
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    pause = {"first_on": str(tomorrow), "last_on": str(tomorrow + dt.timedelta(days=9))}
    body = {
        "days": [tomorrow.strftime("%A").lower()],
        "time_utc": "11:11",
        "pause_windows": [{**pause, "note": "summer break"}],
    }
    lines = live.admin.post(f"{PREFERENCES}/upcoming", body)["upcoming"]
    skipped, first = lines[0], lines[1]
    assert moment(skipped["at"]).date() == tomorrow
    assert skipped["skipped_because"].startswith("summer break")
    assert first["skipped_because"] is None
    assert moment(first["at"]).date() > tomorrow + dt.timedelta(days=9)
    assert len([line for line in lines if line["skipped_because"] is None]) == 5
    assert shown(live) == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"days": []}, "days"),
        ({"time_utc": "noon"}, "time_utc"),
        (
            {"pause_windows": [{"first_on": "2027-06-02", "last_on": "2027-06-01"}]},
            "pause_windows.0",
        ),
        ({"scope": "users"}, "scope"),
    ],
)
def test_preview_of_an_invalid_schedule_names_the_field(
    live: Live, change: dict[str, Any], field: str
) -> None:
    """The preview refuses what a save refuses, with the same field names."""
    body = {"days": ["monday"], "time_utc": "02:00", **change}
    refused = live.admin.post(f"{PREFERENCES}/upcoming", body, 422)
    assert [error["field"] for error in refused["errors"]] == [field]


def test_page_and_airflow_switch_the_same_thing(live: Live) -> None:
    """A switch on the page shows in Airflow at once, and a switch in Airflow on the page."""
    assert enable(live, enabled=True)["enabled"] is True
    assert in_airflow(live)["is_paused"] is False
    assert shown(live)["enabled"] is True
    live.admin.ask("PATCH", f"/api/v2/dags/{SYNC}", json={"is_paused": True})
    assert (shown(live)["enabled"], shown(live)["next_run"]) == (False, None)
    assert live.admin.get("sites")["sites"][0]["enabled"] is False
    live.admin.ask("PATCH", f"/api/v2/dags/{SYNC}", json={"is_paused": False})
    assert shown(live)["enabled"] is True
    assert enable(live, enabled=False) == {"enabled": False, "next_run": None}
    assert in_airflow(live)["is_paused"] is True


def test_every_switch_is_audited(live: Live) -> None:
    """The audit names who switched the sync, also if it was switched on a page of Airflow."""
    enable(live, enabled=True)
    on = newest_save(live)
    enable(live, enabled=False)
    off = newest_save(live)
    assert [(s["event"], s["actor"]) for s in (on, off)] == [
        ("sync_enabled", "admin"),
        ("sync_disabled", "admin"),
    ]
    assert moment(off["at"]) > moment(on["at"])
    live.admin.ask("PATCH", f"/api/v2/dags/{SYNC}", json={"is_paused": True})
    logged = live.admin.get("/api/v2/eventLogs", dag_id=SYNC, event="patch_dag")["event_logs"]
    assert logged[-1]["owner"] == "admin"
    through_airflow = newest_save(live)
    assert (through_airflow["event"], through_airflow["actor"]) == ("sync_disabled", "admin")
    assert moment(through_airflow["at"]) > moment(off["at"])


@pytest.mark.case("c17")
def test_every_save_is_audited_field_by_field(live: Live) -> None:
    """The audit names the saver and each changed field with its values before and after."""
    save(live, time_utc="06:00", scope="users_and_courses")
    save(live, time_utc="07:30", scope="users")
    found = newest_save(live)
    assert (found["event"], found["actor"]) == ("preferences_saved", "admin")
    assert sorted(found["changes"], key=lambda change: change["field"]) == [
        {"field": "scope", "before": "users_and_courses", "after": "users"},
        {"field": "time_utc", "before": "06:00", "after": "07:30"},
    ]


def test_refused_save_is_not_audited(live: Live) -> None:
    """A refused save adds nothing to the audit."""
    before = newest_save(live)
    save(live, 422, days=[])
    save(live, 422, credited_admin="nobody@example.org")
    body = {"version": 0, "settings": shown(live)["settings"]}
    live.admin.put(PREFERENCES, body, 409)
    assert newest_save(live) == before


def test_accounts_are_found_for_the_choice_of_the_administrator(live: Live) -> None:
    """The search returns active accounts, and each of them can be credited."""
    (account,) = live.admin.get(f"{SITE}/accounts", q="ADMIN@")["accounts"]
    assert account["email"] == account["name"] == "admin@example.org"
    assert (account["role"], account["managed"]) == ("administrator", False)
    assert live.admin.get(f"{SITE}/accounts", q="%")["accounts"] == []
    assert save(live, credited_admin=account["email"])["credited_admin_active"] is True
    nobody = save(live, credited_admin=None)
    assert (nobody["settings"]["credited_admin"], nobody["credited_admin_active"]) == (None, False)
    save(live, credited_admin=account["email"])


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_site_that_was_not_made_is_unknown(live: Live, method: str) -> None:
    """An unknown site is 404, and the message names the command that creates it."""
    body = {"version": 0, "settings": shown(live)["settings"]}
    refused = live.admin.ask(method, "sites/atlantis/preferences", 404, json=body)
    assert "oneroster init --site atlantis" in refused["detail"]
    live.admin.put("sites/atlantis/enabled", {"enabled": True}, 404)
