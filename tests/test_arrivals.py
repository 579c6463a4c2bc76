"""A new package at a site's source starts a sync: once, complete, and only where the site asks."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import time
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from airflow.serialization.serialized_objects import DagSerialization

from oneroster_airflow.arrival_trigger import PackageArrival
from oneroster_airflow.dags.site_dags import sync_dag
from oneroster_sync import database
from oneroster_sync.operations import arrivals
from oneroster_sync.operations.arrivals import (
    ALLOWED_FOR,
    QUIET_LOOKS,
    Arrival,
    Watch,
)
from oneroster_sync.sites import allow_list, preferences_store
from oneroster_sync.sources.base import Login
from oneroster_sync.sources.connect import SourceOpener
from servers import HOST, LOGIN, PASSWORD, cut_after, sftp_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from conftest import Site
    from oneroster_sync.sites.preferences import Preferences
    from servers import Sftp

BEGAN = dt.datetime(2026, 11, 30, 2, 0, tzinfo=dt.UTC)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watch that has listed nothing yet."""
    made = Watch()
    yield made
    made.close()


@pytest.fixture
def watched(site: Site, tmp_path: Path) -> Site:
    """A site whose source is a folder, and whose syncs start with a new file."""
    drop = tmp_path / "drop"
    drop.mkdir()
    code, output = site.command(
        *("preferences", "--set", f"source={drop}", "--set", "started_by=new_file")
    )
    assert code == 0, output
    return site


def put(site: Site, name: str = "OneRoster.zip", *, content: str = "x", minute: int = 0) -> Path:
    """Write a package into the folder of a site, with a modification time of this minute."""
    path = site.folder / "drop" / name
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("users.csv", content)
    moment = (BEGAN + dt.timedelta(minutes=minute)).timestamp()
    os.utime(path, (moment, moment))
    return path


def look(watch: Watch, *sites: Site, times: int = 1, trigger: int = 1) -> list[Arrival]:
    """Look so many times, as the trigger of this id does; return all announced arrivals."""
    found = []
    for _ in range(times):
        found += watch.look(watch.list_watched({site.name: trigger for site in sites}), {})
    return found


LOOKS = QUIET_LOOKS + 1
"""The number of looks after which a new package is announced."""


@pytest.mark.case("d41")
def test_a_new_package_is_announced_once(watched: Site, watch: Watch) -> None:
    """Packages of the first look are not announced; a new one is, once, by name and size."""
    first = put(watched)
    assert look(watch, watched, times=2 * LOOKS) == []
    second = put(watched, "OneRoster-2.zip", content="xy", minute=1)
    assert look(watch, watched, times=LOOKS - 1) == []
    (arrival,) = look(watch, watched)
    assert (arrival.site, arrival.name) == (watched.name, "OneRoster-2.zip")
    assert (arrival.size, arrival.modified) == (second.stat().st_size, BEGAN.replace(minute=1))
    assert look(watch, watched, times=2 * LOOKS) == []
    assert (first.exists(), second.exists()) == (True, True)
    assert json.loads(json.dumps(arrival.as_dict()))["modified"] == "2026-11-30T02:01:00+00:00"


@pytest.mark.case("d41")
def test_two_that_arrive_within_a_minute_are_one(watched: Site, watch: Watch) -> None:
    """A package that changes, or that another follows, is announced after the source is quiet."""
    put(watched)
    look(watch, watched)
    put(watched, content="xyz", minute=1)
    assert look(watch, watched, times=LOOKS - 1) == []
    put(watched, content="xyz, and more", minute=2)
    assert look(watch, watched, times=LOOKS - 1) == []
    put(watched, "Second.zip", minute=2)
    assert [arrival.name for arrival in look(watch, watched, times=3 * LOOKS)] == ["Second.zip"]


def test_unfinished_file_is_no_package(watched: Site, watch: Watch) -> None:
    """A package is announced under its final name, once it has that name."""
    put(watched)
    look(watch, watched)
    written = put(watched, "Next.zip.part", minute=3)
    assert look(watch, watched, times=2 * LOOKS) == []
    written.rename(written.with_suffix(""))
    assert [arrival.name for arrival in look(watch, watched, times=LOOKS)] == ["Next.zip"]


def test_the_first_package_of_an_empty_source_is_announced(watched: Site, watch: Watch) -> None:
    """The first package in a folder that was empty at the first look is announced."""
    assert look(watch, watched, times=2) == []
    put(watched)
    assert [arrival.name for arrival in look(watch, watched, times=LOOKS)] == ["OneRoster.zip"]


@pytest.mark.case("d41")
@pytest.mark.parametrize("is_alone", [True, False], ids=["the only site", "beside another"])
def test_package_of_a_disabled_time_starts_nothing(
    watched: Site, watch: Watch, *, is_alone: bool
) -> None:
    """After a site is enabled again, only later packages are announced.

    Airflow runs no watch while all sites are disabled, so a new one begins.
    """
    put(watched)
    look(watch, watched, times=LOOKS)
    put(watched, "While off.zip", minute=1)
    if is_alone:
        watch.close()
        watch = Watch()
    else:
        assert look(watch, times=LOOKS) == []
    assert look(watch, watched, times=2 * LOOKS, trigger=2) == []
    put(watched, "Afterwards.zip", minute=2)
    found = look(watch, watched, times=LOOKS, trigger=2)
    assert [arrival.name for arrival in found] == ["Afterwards.zip"]


def test_package_between_two_triggerers_is_announced(watched: Site, watch: Watch) -> None:
    """A new triggerer gets its sites one after the other, and misses no arrival of any."""
    put(watched)
    look(watch, watched)
    put(watched, "Meanwhile.zip", minute=1)
    anew = Watch()
    assert look(anew, times=2) == []
    assert [arrival.name for arrival in look(anew, watched, times=LOOKS)] == ["Meanwhile.zip"]
    anew.close()


def test_package_noticed_before_the_upgrade_stays_known(watched: Site, watch: Watch) -> None:
    """A package that was stored without a trigger is known to every trigger."""
    put(watched)
    look(watch, watched)
    with database.engine().begin() as connection:
        connection.execute(sa.text("update arrivals set trigger_id = null"))
    put(watched, "Meanwhile.zip", minute=1)
    anew = Watch()
    found = look(anew, watched, times=LOOKS, trigger=7)
    assert [arrival.name for arrival in found] == ["Meanwhile.zip"]
    anew.close()


def test_package_moved_aside_makes_no_older_one_new(watched: Site, watch: Watch) -> None:
    """After a run moves its package aside, the previous one is the newest, but no arrival."""
    put(watched, "old.zip")
    newest = put(watched, "new.zip", minute=5)
    look(watch, watched)
    newest.rename(watched.folder / "new.zip")
    assert look(watch, watched, times=2 * LOOKS) == []


def test_next_watch_continues_after_the_announced(watched: Site, watch: Watch) -> None:
    """A new watch continues where the last one ended, and announces arrivals in between."""
    put(watched)
    look(watch, watched)
    put(watched, minute=1)
    assert len(look(watch, watched, times=LOOKS + 1)) == 1
    after = Watch()
    assert look(after, watched, times=2 * LOOKS) == []
    put(watched, minute=2)
    third = Watch()
    assert len(look(third, watched, times=2 * LOOKS)) == 1


def test_arrival_that_was_not_handed_on_is_announced_again(watched: Site, watch: Watch) -> None:
    """A triggerer that is killed while it announces leaves the arrival to the next one."""
    put(watched)
    look(watch, watched)
    put(watched, minute=1)
    assert len(look(watch, watched, times=LOOKS)) == 1
    assert len(look(Watch(), watched, times=LOOKS)) == 1


def test_a_source_that_is_new_announces_nothing_that_was_there(
    watched: Site, watch: Watch, tmp_path: Path
) -> None:
    """With another folder or pattern, packages that are already there are not announced."""
    put(watched)
    look(watch, watched)
    put(watched, "Other.ZIP2", minute=9)
    watched.command("preferences", "--set", "source_pattern=*.zip2")
    assert look(watch, watched, times=2 * LOOKS) == []


@pytest.mark.parametrize("setting", ["started_by=schedule", "source=null"])
def test_site_without_the_preference_is_not_watched(
    watched: Site, watch: Watch, setting: str
) -> None:
    """A saved preference takes effect at the next look."""
    assert [chosen.site for chosen in watch.list_watched({watched.name: 1})] == [watched.name]
    more = ("--set", "started_by=schedule") if setting == "source=null" else ()
    assert watched.command("preferences", *more, "--set", setting)[0] == 0
    assert watch.list_watched({watched.name: 1}) == []


def test_archived_site_or_site_with_a_withdrawn_source_is_not_watched(
    watched: Site, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch lists no folder of an archived site or of a site that may not use its source."""
    assert watch.list_watched({watched.name: 1})
    archived = "update sites set archived_at = {} where site = :site"
    for moment, is_watched in (("now()", False), ("null", True)):
        with database.engine().begin() as connection:
            connection.execute(sa.text(archived.format(moment)), {"site": watched.name})
        assert bool(watch.list_watched({watched.name: 1})) is is_watched
    monkeypatch.setenv("ONEROSTER_ALLOWED_SOURCES", "/srv/{site}")
    with database.engine().begin() as connection:
        allow_list.withdraw(connection, watched.name, str(watched.folder / "drop"))
    found = [watch.list_watched({watched.name: 1}) for _ in range(ALLOWED_FOR)]
    assert found[-1] == []


def test_failing_source_stops_no_other(
    watched: Site, watch: Watch, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names a source that fails once, and the arrivals of other sources are announced."""
    put(watched)
    look(watch, watched)
    put(watched, minute=1)
    chosen = watch.list_watched({watched.name: 1})
    away = chosen[0].model_copy(update={"site": "away", "source": "https://127.0.0.1:9/out/"})
    found = [arrival for _ in range(LOOKS) for arrival in watch.look([*chosen, away], {})]
    assert [arrival.site for arrival in found] == [watched.name]
    messages = [r.getMessage() for r in caplog.records if "new files are not detected" in r.message]
    assert len(messages) == 1


def sites_on_sftp(site: Site, folder: Path, number: int) -> list[Preferences]:
    """Return the preferences of new sites, each with a package in its own folder of a server."""
    names = [f"{site.name}-sftp-{each}" for each in range(number)]
    with database.engine().begin() as connection:
        rows = [{"name": name} for name in names]
        connection.execute(sa.text("insert into sites (site) values (:name)"), rows)
        usual = preferences_store.load(connection, site.name)
    for name in names:
        (folder / name).mkdir()
        (folder / name / f"{name}.zip").write_bytes(b"PK")
    more = {"source_connection": "sis", "started_by": "new_file"}
    return [
        usual.model_copy(update={"site": name, "source": f"sftp://{HOST}/{name}", **more})
        for name in names
    ]


def newest(chosen: list[Preferences]) -> dict[str, str]:
    """Return site → name of the package that a look found at its source."""
    query = "select site, package ->> 'name' from arrivals where site = any(:sites)"
    with database.engine().connect() as connection:
        found = connection.execute(sa.text(query), {"sites": [each.site for each in chosen]})
        return {site: name for site, name in found}  # noqa: C416


def sftp_login(server: Sftp, **other: Any) -> Login:
    """Return the login of the sites' connection, with some values changed."""
    usual = {"host": HOST, "port": server.port, "login": LOGIN, "password": PASSWORD}
    return Login("sis", **{**usual, "extra": server.extra(), **other})


@pytest.mark.case("d41")
def test_sites_of_one_server_share_a_connection(
    site: Site,
    watch: Watch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One look logs in once for all sites, even if some fail; a wrong login is tried once."""
    monkeypatch.setattr(arrivals, "_WAIT_S", 60)
    with sftp_server(tmp_path) as server:
        chosen = sites_on_sftp(site, tmp_path, 12)
        (tmp_path / chosen[2].site / f"{chosen[2].site}.zip").unlink()
        chosen[4] = chosen[4].model_copy(update={"source": f"sftp://{HOST}/nowhere"})
        chosen[5:7] = [
            each.model_copy(update={"source_connection": "wrong"}) for each in chosen[5:7]
        ]
        wrong = replace(sftp_login(server, login="guessed"), connection="wrong")
        watch.look(chosen, {"sis": sftp_login(server), "wrong": wrong})
        assert sorted(server.asked) == sorted([LOGIN, "guessed"])
        good = [each.site for number, each in enumerate(chosen) if number not in {2, 4, 5, 6}]
        nothing = dict.fromkeys((chosen[2].site, chosen[4].site), "")
        assert newest(chosen) == {name: f"{name}.zip" for name in good} | nothing
        messages = [r.getMessage() for r in caplog.records if "new files are not" in r.message]
        assert len(messages) == 2
        assert all("refused the login of wrong" in line for line in messages)


@pytest.mark.case("d41")
def test_a_shared_connection_that_is_cut_is_made_again(
    site: Site, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No site is left out if a connection is cut, or if it is replaced after so many sites."""
    monkeypatch.setattr(arrivals, "_WAIT_S", 60)
    with sftp_server(tmp_path) as server, cut_after(server.port, 12_000) as port:
        chosen = sites_on_sftp(site, tmp_path, 12)
        watch.look(chosen, {"sis": sftp_login(server, port=port)})
        assert newest(chosen) == {each.site: f"{each.site}.zip" for each in chosen}
        assert 1 < len(server.asked) < 12
        server.asked.clear()
        monkeypatch.setattr(SourceOpener, "PLACES", 5)
        watch.look(chosen, {"sis": sftp_login(server)})
        assert server.asked == [LOGIN] * 3


def test_a_new_file_needs_a_source(site: Site) -> None:
    """`started_by=new_file` is refused for a site without a source."""
    assert site.command("preferences", "--set", "started_by=new_file")[0] == 2


def test_a_stored_dag_holds_the_name_of_the_site_only(watched: Site) -> None:
    """A stored DAG has no preferences in it, and its trigger stores only the site's name."""
    stored = json.dumps(DagSerialization.to_dict(sync_dag(watched.name)))
    assert str(watched.folder) not in stored
    assert "new_file" not in stored
    trigger = PackageArrival(watched.name)
    assert trigger.serialize() == (
        "oneroster_airflow.arrival_trigger.PackageArrival",
        {"site": watched.name},
    )
    assert trigger.shared_stream_key() == PackageArrival("another").shared_stream_key()


def test_triggers_share_one_watch_and_each_fires_for_its_site(
    watched: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream lists the sites of running triggers; each trigger fires for its own site only."""
    monkeypatch.setattr("oneroster_sync.settings.watch_seconds", lambda: 0.01)
    put(watched)

    async def first_event() -> dict[str, Any]:
        mine, another = PackageArrival(watched.name), PackageArrival("another")
        stream = PackageArrival.open_shared_stream({})

        async def both() -> AsyncIterator[dict[str, Any]]:
            async for arrival in stream:
                yield {"site": "nobody"}
                yield arrival

        events = mine.filter_shared_stream(both())
        others = another.filter_shared_stream(both())
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(1)
        put(watched, minute=1)
        event = await asyncio.wait_for(waiting, 60)
        await events.aclose()
        await others.aclose()
        await stream.aclose()
        return dict(event.payload)

    event = asyncio.run(first_event())
    assert (event["site"], event["name"]) == (watched.name, "OneRoster.zip")
    assert not PackageArrival._running


@pytest.mark.case("d41")
def test_a_thousand_sites_take_a_twentieth_of_a_core(watched: Site, tmp_path: Path) -> None:
    """A look at a thousand sources takes at most a twentieth of the interval between looks."""
    names = [f"{watched.name}-{number}" for number in range(1_000)]
    rows = [{"name": name, "source": str(tmp_path / name), "site": watched.name} for name in names]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "OneRoster.zip").write_bytes(b"PK")
    copied = ", ".join(
        name for name in column_names() if name not in {"site", "source", "credited_admin_id"}
    )
    with database.engine().begin() as connection:
        connection.execute(sa.text("insert into sites (site) values (:name)"), rows)
        connection.execute(
            sa.text(
                f"insert into preferences (site, source, {copied}) "  # noqa: S608
                f"select :name, :source, {copied} from preferences where site = :site"
            ),
            rows,
        )
    watch = Watch()
    watch.look(watch.list_watched(dict.fromkeys(names, 1)), {})
    watch.look(watch.list_watched(dict.fromkeys(names, 1)), {})
    taken = []
    for _ in range(3):
        begun = time.process_time()
        assert watch.look(watch.list_watched(dict.fromkeys(names, 1)), {}) == []
        taken.append(time.process_time() - begun)
    watch.close()
    assert min(taken) < 0.05 * 30, taken


def column_names() -> list[str]:
    """Return the names of the columns of preferences."""
    with database.engine().connect() as connection:
        query = "select attname from pg_attribute where attrelid = 'preferences'::regclass"
        return list(connection.scalars(sa.text(f"{query} and attnum > 0 and not attisdropped")))
