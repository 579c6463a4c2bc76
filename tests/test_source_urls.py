"""A source is a path or a URL, and never contains a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oneroster_sync.sites.preferences import STORED, Preferences
from oneroster_sync.sources.url import SourceUrl, WrongSourceError, is_within
from roster_of import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

HIDDEN = "s3cret-of-the-sis"


@pytest.mark.parametrize(
    ("source", "scheme", "host", "port", "path"),
    [
        ("/srv/sis exports", "file", "", None, "/srv/sis exports"),
        ("exports/a#1?.zip", "file", "", None, "exports/a#1?.zip"),
        ("file:///srv/sis%20exports", "file", "", None, "/srv/sis exports"),
        ("SFTP://SIS.example.org:2222/a%20b", "sftp", "sis.example.org", 2222, "/a b"),
        ("sftp://exporter@sis.example.org/out", "sftp", "sis.example.org", None, "/out"),
        ("s3://My-Bucket/out/", "s3", "My-Bucket", None, "/out/"),
        ("https://sis.example.org/o%20r.zip", "https", "sis.example.org", None, "/o%20r.zip"),
        ("gs://bucket/out", "gs", "bucket", None, "/out"),
        ("s3a://bucket/out", "s3", "bucket", None, "/out"),
        ("sftp://[fe80::1]:22/out", "sftp", "fe80::1", 22, "/out"),
        ("/srv/odd::name", "file", "", None, "/srv/odd::name"),
        ("abfs://box@account.dfs.core.windows.net/out", "abfs", "account.dfs.core.windows.net",
         None, "/out"),
    ],
)  # fmt: skip
def test_valid_sources_are_read_by_their_parts(
    source: str, scheme: str, host: str, port: int | None, path: str
) -> None:
    """A source URL is parsed into its parts; a path stays a path, whatever its characters."""
    url = SourceUrl.parse(source)
    assert (url.scheme, url.host, url.port, url.path) == (scheme, host, port, path)
    assert url.is_local is (scheme == "file")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"sftp://ann:{HIDDEN}@sis.example.org/out", "contains a password"),
        (f"file://ann:{HIDDEN}@sis/out", "contains a password"),
        (f"https://sis.example.org/o.zip?token={HIDDEN}", "keys and tokens"),
        (f"s3://bucket/out#{HIDDEN}", "keys and tokens"),
        ("http://sis.example.org/o.zip", "not encrypted"),
        ("FTP://sis.example.org/o.zip", "not encrypted"),
        ("sftp:///out", "needs a host"),
        ("s3:///out", "needs a host"),
        ("https://sis.example.org:port/", "not a valid URL"),
        ("sftp://[::1/out", "not a valid URL"),
        ("carrierpigeon://coop/out", "is not known"),
        ("memory://here/out", "is not known"),
        ("s3://bucket/out/*.zip", "the pattern by its own preference"),
        ("file://localhost/srv/sis", "takes no host"),
        ("file:/srv/sis", "begins with"),
        ("local:/srv/sis", "begins with"),
        ("local:///srv/sis", "is not known"),
        ("zip://users.csv::file:///srv/o.zip", "joins two sources"),
        ("simplecache::file:///srv/o.zip", "joins two sources"),
        ("filecache::s3://bucket/o.zip", "joins two sources"),
        ("simplecache://srv/o.zip", "is not known"),
        ("dir://srv/o.zip", "is not known"),
        ("ssh://sis.example.org/out", "is not known"),
        ("github://them:sis@main/o.zip", "contains a password"),
        ("s3://bucket/in/../out", ". or .."),
        ("https://sis.example.org/in/%252e%252e/out/", ". or .."),
        ("https://sis.example.org%2fx/o.zip", "its host holds"),
        ("https://sis.example.org\\@evil.example/o.zip", "its host holds"),
        ("file:///srv/%00", "control character"),
        ("/srv/\0", "control character"),
    ],
)
def test_invalid_sources_are_refused(source: str, reason: str) -> None:
    """A source with a secret, without encryption or of an unknown kind is refused, not repeated."""
    with pytest.raises(WrongSourceError, match=reason) as refused:
        SourceUrl.parse(source)
    assert HIDDEN not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "root", "is_below"),
    [
        ("/srv/north/o.zip", "/srv/north", True),
        ("/srv/north", "/srv/north/", True),
        ("/srv/north-2/o.zip", "/srv/north", False),
        ("/srv/north/../south/o.zip", "/srv/north", False),
        ("file:///srv/%6eorth/o.zip", "/srv/north", True),
        ("//srv//north/./o.zip", "file:///srv/north", True),
        ("/srv/north", "s3://srv/north", False),
        ("s3a://b/north/out", "s3://b/north/", True),
        ("S3://b/north-2", "s3://b/north", False),
        ("s3://B/north/out", "s3://b/north", False),
        ("s3://b/%6eorth/out", "s3://b/north", False),
        ("sftp://a@SIS.example.org./north/x", "sftp://sis.example.org:22/north", True),
        ("sftp://sis.example.org/north/../south", "sftp://sis.example.org/north", False),
        ("sftp://sis.example.org:2222/north", "sftp://sis.example.org/north", False),
        ("https://x.example.org/o.zip", "https://*.example.org/", True),
        ("https://example.org.evil.example/o.zip", "https://*.example.org/", False),
        ("https://x.example.org/n%6frth/o.zip", "https://x.example.org/north/", True),
        ("https://x.example.org/north%2f..%2fsouth/o.zip", "https://x.example.org/", False),
        ("abfs://north@acc.example.org/o", "abfs://south@acc.example.org/", False),
        ("abfs://north@acc.example.org/o", "abfs://north@acc.example.org/", True),
    ],
)  # fmt: skip
def test_sources_are_compared_with_a_root_by_their_parts(
    source: str, root: str, *, is_below: bool
) -> None:
    """Source and root are compared by their parts, so that no spelling hides another place."""
    try:
        found = SourceUrl.parse(source).is_below(SourceUrl.parse(root))
    except WrongSourceError:
        found = False
    assert found is is_below


def test_links_are_resolved_before_paths_are_compared(tmp_path: Path) -> None:
    """Links are resolved before paths are compared."""
    (tmp_path / "north").mkdir()
    (tmp_path / "south").mkdir()
    (tmp_path / "north" / "theirs").symlink_to(tmp_path / "south")
    (tmp_path / "current").symlink_to(tmp_path / "north")
    assert not is_within(f"{tmp_path}/north/theirs/o.zip", f"{tmp_path}/north")
    assert is_within(f"{tmp_path}/current/o.zip", f"{tmp_path}/north")
    assert is_within(f"{tmp_path}/north/o.zip", f"{tmp_path}/current")
    assert is_within(f"/proc/self/root{tmp_path}/north/o.zip", f"{tmp_path}/north")


@pytest.mark.parametrize(
    "settings",
    [
        {"source": f"sftp://ann:{HIDDEN}@sis.example.org/out", "source_connection": "sis"},
        {"source": f"https://sis.example.org/o.zip?token={HIDDEN}"},
    ],
)
def test_a_secret_is_refused_at_save_and_not_repeated(site: Site, settings: dict[str, str]) -> None:
    """A source with a secret is neither saved nor printed nor recorded in the audit."""
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    code, output = run_command(site, "preferences", *words)
    assert code == 2
    assert "Airflow connection" in output
    assert HIDDEN not in output
    events = site.rows("select count(*) from events where site = :site and event like '%saved'")
    assert events == [(1,)]


def test_a_source_that_was_saved_once_is_read_again() -> None:
    """A source that an older version saved is still read, so that pages and runs work."""
    source = f"ftp://ann:{HIDDEN}@sis.example.org/out"
    stored = {"site": "s", "source": source, "source_after": "move"}
    assert Preferences.model_validate(stored, context=STORED).source == source


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"source": "sftp://sis.example.org/out"}, "source_connection"),
        ({"source": "https://sis.example.org/", "source_after": "move"}, "source_after"),
        ({"source_pattern": "out/*.zip"}, "source_pattern"),
        ({"source_pattern": " "}, "source_pattern"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, str], field: str) -> None:
    """Contradicting preferences are refused with the name of the preference."""
    with pytest.raises(ValueError, match=field):
        Preferences.model_validate({"site": "s", **settings})
