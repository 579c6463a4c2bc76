"""A site can't use another site's source, connection, channel or package, in any spelling."""

from __future__ import annotations

import contextlib
import os
import random
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from databases import fresh_database, using
from oneroster_sync import database, notifications, pipeline, settings
from oneroster_sync.pipeline import begin
from oneroster_sync.sites import allow_list, preferences_store
from oneroster_sync.sites.allow_list import ForeignPackageError, NotAllowedError
from oneroster_sync.sources.errors import SourceError
from oneroster_sync.sources.url import WrongSourceError
from oneroster_sync.stages.extract import acquire
from oneroster_sync.standard.kinds import Kind
from places import zipped
from roster_of import SCHOOL, now, request_of, run_command
from site_files import sites
from test_sources_runs import choose, scheduled

if TYPE_CHECKING:
    from conftest import Site

STAFF = zipped({"users.csv": SCHOOL["users.csv"]})
SECRET = b"sourcedId,password\nof-another-site,1\n"
USES = {
    "source": "/srv/north/out",
    "source_connection": "sis-north",
    "channels": ("chat-north",),
}


@pytest.fixture
def neighbour(site: Site, tmp_path: Path) -> Site:
    """Another site."""
    made = type(site)(f"{site.name}-b", tmp_path)
    made.command("init", "--admin", "admin@district.example")
    return made


def save(site: Site, *, everywhere: bool, **uses: Any) -> None:
    """Save preferences as an administrator of the site, or of all sites (`everywhere`)."""
    with database.engine().begin() as connection:
        chosen = preferences_store.load(connection, site.name)
        if "channels" in uses:
            notices = chosen.notices.model_copy(update={"channels": uses.pop("channels")})
            uses["notices"] = notices
        chosen = chosen.model_copy(update=uses)
        preferences_store.save(connection, chosen, actor="Ann", now=now(), everywhere=everywhere)


def refused_fields(site: Site, *, everywhere: bool, **uses: Any) -> set[str]:
    """Return the preferences whose values can't be saved."""
    with pytest.raises(NotAllowedError) as refusal:
        save(site, everywhere=everywhere, **uses)
    return set(refusal.value.fields)


def uploaded(site: Site) -> str:
    """Return a file that was uploaded to a site."""
    file = settings.storage_of("uploads", site.name) / uuid.uuid4().hex / "users.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(SECRET)
    return str(file.path)


@pytest.mark.case("c40")
def test_only_an_administrator_of_all_sites_names_something_new(site: Site) -> None:
    """Without patterns, a value that an administrator of all sites saves becomes allowed."""
    fields = {"source", "source_connection", "notices.channels"}
    assert refused_fields(site, everywhere=False, **USES) == fields
    save(site, everywhere=True, **USES)
    save(site, everywhere=False, approval_hours=5)
    save(site, everywhere=False, source=None, source_connection=None, channels=())
    save(site, everywhere=False, **{**USES, "source": "file:///srv/north/./out"})
    assert refused_fields(site, everywhere=False, source="/srv/north") == {"source"}
    assert refused_fields(site, everywhere=False, channels=("chat-north", "chat-south")) == {
        "notices.channels"
    }


@pytest.mark.case("c40")
def test_value_allowed_to_one_site_is_refused_to_another(site: Site, neighbour: Site) -> None:
    """A value that is allowed to one site is refused at another site."""
    save(site, everywhere=True, **USES)
    fields = {"source", "source_connection", "notices.channels"}
    assert refused_fields(neighbour, everywhere=False, **USES) == fields


@pytest.mark.case("c40")
def test_deployment_decides_what_a_site_may_use(
    site: Site, neighbour: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patterns may contain the site's name; with them, no administrator can save other values."""
    monkeypatch.setenv("ONEROSTER_ALLOWED_SOURCES", "/srv/{site} site-*=sftp://sis.example/{site}")
    monkeypatch.setenv("ONEROSTER_ALLOWED_CONNECTIONS", "sis-{site}")
    monkeypatch.setenv("ONEROSTER_ALLOWED_CHANNELS", "nobody=* chat-{site}")
    own = {
        "source": f"/srv/{site.name}/out",
        "source_connection": f"sis-{site.name}",
        "channels": (f"chat-{site.name}",),
    }
    save(site, everywhere=False, **own)
    save(site, everywhere=False, source=f"sftp://SIS.example/{site.name}/out")
    fields = {"source", "source_connection", "notices.channels"}
    assert refused_fields(neighbour, everywhere=True, **own) == fields
    code, words = run_command(neighbour, "preferences", "--set", f"source=/srv/{site.name}/out")
    assert (code, "ONEROSTER_ALLOWED_SOURCES" in words) == (1, True)


@pytest.mark.case("c40")
def test_a_copy_of_a_site_does_not_read_what_the_site_reads(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy takes over the allowed values and leaves out the rest."""
    save(site, everywhere=True, **USES)
    copied = f"{site.name}-copy"
    monkeypatch.setenv("ONEROSTER_ALLOWED_SOURCES", "/srv/{site}")
    monkeypatch.setenv("ONEROSTER_ALLOWED_CHANNELS", f"{copied}=chat-*")
    assert sites("copy", site.name, copied, "--admin", "a@x.org")[0] == 0
    with database.engine().connect() as connection:
        chosen = preferences_store.load(connection, copied)
    assert (chosen.source, chosen.source_connection) == (None, None)
    assert chosen.notices.channels == ("chat-north",)


@pytest.mark.case("c40")
@pytest.mark.parametrize("what", ["source", "source_connection"])
def test_withdrawn_source_fails_before_anything_is_read(
    site: Site, tmp_path: Path, what: str
) -> None:
    """The run fails with a code and a notification; a retry checks the source again."""
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "OneRoster.zip").write_bytes(STAFF)
    choose(site, source=str(drop), source_connection="sis", source_after="move")
    value = {"source": str(drop), "source_connection": "sis"}[what]
    assert sites("withdraw", site.name, value)[0] == 0

    run = scheduled(site)

    assert (run.outcome, site.users(), run.sha256) == ("failed", {}, None)
    assert site.codes({"run_id": run.run_id}) == {"source.not_allowed"}
    assert "may not use its source" in run.reasons[0]
    assert (drop / "OneRoster.zip").exists()
    with database.engine().connect() as connection:
        notice = notifications.of_run(connection, run, base_url="https://airflow.example.org")
    assert notice is not None
    assert notice.topic == "failed"
    if what == "source":
        save(site, everywhere=True, source=None)
        save(site, everywhere=True, source=str(drop))
        assert scheduled(site, None).outcome == "succeeded"


@pytest.mark.case("c40")
def test_link_in_a_sites_folder_gives_no_access_to_another(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who may write to a site's folder can't make the sync read another site's package."""
    monkeypatch.setenv("ONEROSTER_ALLOWED_SOURCES", f"{tmp_path}/{{site}}")
    own, theirs = tmp_path / site.name, tmp_path / "theirs"
    own.mkdir()
    theirs.mkdir()
    (theirs / "OneRoster.zip").write_bytes(STAFF)
    (own / "OneRoster.zip").symlink_to(theirs / "OneRoster.zip")
    choose(site, source=str(own), source_after="move")
    run = scheduled(site)
    assert (run.outcome, site.users()) == ("failed", {})
    assert site.codes({"run_id": run.run_id}) == {"source.not_allowed"}
    (own / "today.zip").write_bytes(STAFF)
    (own / "OneRoster.zip").unlink()
    (own / "OneRoster.zip").symlink_to("today.zip")
    assert scheduled(site).outcome == "succeeded"


@pytest.mark.case("c40")
def test_withdrawn_channel_gets_no_notification(site: Site) -> None:
    """A withdrawn channel is left out; the other channels still get the notification."""
    save(site, everywhere=True, channels=("chat-north", "chat-all"))
    assert sites("withdraw", site.name, "chat-all")[0] == 0
    with database.engine().connect() as connection:
        chosen = preferences_store.load(connection, site.name).notices
        kept, left_out = allow_list.allowed_notices(connection, site.name, chosen)
    assert (kept.channels, left_out) == (("chat-north",), ["chat-all"])


@pytest.mark.case("c41")
def test_a_package_is_an_upload_or_below_a_root(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other path of the workers is refused; the command line may read any local file."""
    monkeypatch.setenv("ONEROSTER_ALLOWED_PACKAGES", f"{tmp_path}/{{site}}")
    below = tmp_path / site.name / "users.csv"
    below.parent.mkdir()
    below.write_text(SCHOOL["users.csv"])
    outside = tmp_path / "users.csv"
    outside.write_text(SCHOOL["users.csv"])
    (below.parent / "link.csv").symlink_to(outside)
    asked = request_of(site, SCHOOL)
    for package in (
        str(outside),
        f"{below.parent}/../users.csv",
        f"{below.parent}/link.csv",
        "/etc/passwd",
        "http://127.0.0.1:8080/o.zip",
        "https://sis.example.org/o.zip",
        "ftp://sis.example.org/o.zip",
        "s3://exports/o.zip",
        "carrierpigeon://coop/o.zip",
        f"simplecache::file://{below}",
        f"zip://users.csv::file://{below}",
        f"file://localhost{below}",
    ):
        with pytest.raises(ForeignPackageError):
            begin(replace(asked, package=package, run_id=str(uuid.uuid4())), now=now())
    for package in (str(below), f"file://{below}", uploaded(site)):
        run = begin(replace(asked, package=package, run_id=str(uuid.uuid4())), now=now())
        assert run.outcome is None
    assert run_command(site, "sync", outside, "--kind", "users")[0] == 0
    code, words = run_command(
        site, "sync", uploaded(type(site)("theirs", tmp_path)), "--kind", "users"
    )
    assert (code, "upload it to this site" in words) == (1, True)


def test_a_named_file_is_not_copied_beyond_the_limit(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of 8 GiB is refused because of its size, before any copy."""
    monkeypatch.setenv("ONEROSTER_PACKED_MIB", "1")
    large = tmp_path / "large.zip"
    with large.open("wb") as file:
        file.write(b"PK")
        os.truncate(file.fileno(), 8 << 30)
    asked = replace(request_of(site, SCHOOL), package=str(large))
    run = pipeline.extract(begin(asked, now=now()), Kind.PACKAGE)
    run = pipeline.record(run, now=now())
    assert (run.outcome, site.codes({"run_id": run.run_id})) == ("rejected", {"zip.size_exceeded"})


BEGINNINGS = [
    *("", "", "", "file:", "file:/", "file://", "file:///", "FILE://", "local:", "local://"),
    *("file://localhost", "file://127.0.0.1", "file://LOCALHOST", "file://./", "dir://"),
    *("simplecache::", "filecache::file://", "simplecache::file://", "memory://", "http://"),
    *("zip://users.csv::file://", "reference::file://", "/proc/self/root", "/proc/self/cwd"),
]


def spellings(path: str) -> st.SearchStrategy[str]:
    """Return correct and incorrect spellings of a path that some reader may accept."""

    def spelled(seed: int) -> str:
        dice = random.Random(seed)
        parts = path.strip("/").split("/")
        spelling = ""
        for part in parts:
            spelling += dice.choice(["/", "/", "/", "//", "/./", f"/{part}/../", "/x/../"])
            letters = (
                [f"%{ord(c):02{dice.choice('xX')}}" if dice.random() < share else c for c in part]
                if (share := dice.choice([0, 0, 0.2, 1]))
                else [part]
            )
            spelling += "".join(letters)
        after = dice.choice(["", "", "", "/", "?x", "#x", "%00", "::file:///etc", " ", "/."])
        return f"{dice.choice(BEGINNINGS)}{spelling}{after}"

    return st.integers(0, 1 << 40).map(spelled)


@pytest.fixture(scope="module")
def foreign() -> str:
    """A file that the storage keeps for another site."""
    file = Path(settings.storage_of("uploads", "somebody").path) / "x" / "users.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(SECRET)
    return str(file)


@pytest.mark.case("c41")
@hypothesis_settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_spelling_leads_to_a_file_of_another_site(foreign: str, data: st.DataObject) -> None:
    """A spelling that passes the check leads to another file, or to none."""
    spelling = data.draw(spellings(foreign))
    for from_anywhere in (False, True):
        with contextlib.suppress(ForeignPackageError, WrongSourceError, SourceError, OSError):
            allow_list.check_package("own", spelling, from_anywhere=from_anywhere)
            folder = Path(settings.home()) / "copies" / uuid.uuid4().hex
            folder.mkdir(parents=True)
            copied = acquire._copy(spelling, Kind.USERS, folder)
            assert not copied.is_file() or SECRET not in copied.read_bytes(), spelling


@pytest.mark.parametrize(
    "value", ["/srv/{sites}", "{site", "s3:/x", "sftp://a:b@host/", "north=zip://x::y"]
)
def test_an_entry_that_cannot_be_read_is_named(
    site: Site, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`oneroster check` names the variable and does not repeat a password in it."""
    monkeypatch.setenv("ONEROSTER_ALLOWED_SOURCES", value)
    code, words = run_command(site, "check")
    assert (code, "ONEROSTER_ALLOWED_SOURCES" in words) == (1, True)
    assert "a:b" not in words


_ADMIN_OF_BEFORE = """
insert into users (site, email, login, username, role, status, managed)
values ('old', 'a@x.org', 'a@x.org', 'a@x.org', 'administrator', 'active', false)
"""
_PREFERENCES_OF_BEFORE = """
insert into preferences (site, credited_admin_id, source, source_connection, notices, days,
    time_utc, pause_windows, scope, teacher_permission, profile, assignment_roles, adopt_accounts,
    guards, version, saved_at, saved_by)
select 'old', id, :source, 'sis', cast(:notices as jsonb), '{monday}', '02:00', '[]', 'users',
    'lessons_only', 'tolerant', '{teacher}', false, '{}', 1, now(), 'Ann'
from users
"""


@pytest.mark.case("b31")
def test_an_upgrade_stops_no_site(tmp_path: Path) -> None:
    """An upgrade allows the values that sites already use; `oneroster check` lists them."""
    from conftest import Site

    with fresh_database() as url:
        config = Config()
        config.set_main_option("script_location", str(database.MIGRATIONS))
        made = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
        drop = tmp_path / "drop"
        drop.mkdir()
        (drop / "OneRoster.zip").write_bytes(STAFF)
        with made.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0010")
            uses = {
                "source": f"file://localhost{drop}",
                "notices": '{"channels": ["chat", "chat"]}',
            }
            connection.execute(sa.text("insert into sites (site) values ('old'), ('bare')"))
            connection.execute(sa.text(_ADMIN_OF_BEFORE))
            connection.execute(sa.text(_PREFERENCES_OF_BEFORE), uses)
        made.dispose()
        with using(url):
            old = Site("old", tmp_path)
            assert scheduled(old).outcome == "succeeded"
            warnings = old.command("check")[1]["warnings"]
            assert sum("allowed by upgrade" in warning for warning in warnings) == 3
            assert "chat-other" not in str(warnings)
            assert refused_fields(old, everywhere=False, channels=("chat", "chat-other")) == {
                "notices.channels"
            }
            assert sites("withdraw", "old", "chat")[0] == 0
            warnings = old.command("check")[1]["warnings"]
            assert [w for w in warnings if "may not use its channel chat" in w]
