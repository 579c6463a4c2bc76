"""What a source may be: a path or a URL, and never one that holds a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oneroster_sync.preferences import STORED, Preferences
from oneroster_sync.source_url import SourceUrl, WrongSourceError
from roster_of import said

if TYPE_CHECKING:
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
        ("abfs://box@account.dfs.core.windows.net/out", "abfs", "account.dfs.core.windows.net",
         None, "/out"),
    ],
)  # fmt: skip
def test_what_a_source_may_be(
    source: str, scheme: str, host: str, port: int | None, path: str
) -> None:
    """A source is read by its parts; a path is a path, whatever letters it has."""
    url = SourceUrl.parse(source)
    assert (url.scheme, url.host, url.port, url.path) == (scheme, host, port, path)
    assert url.is_local is (scheme == "file")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (f"sftp://ann:{HIDDEN}@sis.example.org/out", "holds a password"),
        (f"file://ann:{HIDDEN}@sis/out", "holds a password"),
        (f"https://sis.example.org/o.zip?token={HIDDEN}", "keys and tokens"),
        (f"s3://bucket/out#{HIDDEN}", "keys and tokens"),
        ("http://sis.example.org/o.zip", "not encrypted"),
        ("FTP://sis.example.org/o.zip", "not encrypted"),
        ("sftp:///out", "needs a host"),
        ("s3:///out", "needs a host"),
        ("https://sis.example.org:port/", "no URL"),
        ("sftp://[::1/out", "no URL"),
        ("carrierpigeon://coop/out", "is not known"),
        ("memory://here/out", "is not known"),
        ("s3://bucket/out/*.zip", "the pattern by itself"),
    ],
)
def test_what_it_may_not_be(source: str, says: str) -> None:
    """What holds a secret, is not encrypted or can't be read is refused, and never repeated."""
    with pytest.raises(WrongSourceError, match=says) as refused:
        SourceUrl.parse(source)
    assert HIDDEN not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"source": f"sftp://ann:{HIDDEN}@sis.example.org/out", "source_connection": "sis"},
        {"source": f"https://sis.example.org/o.zip?token={HIDDEN}"},
    ],
)
def test_a_secret_is_refused_at_save_and_not_repeated(site: Site, settings: dict[str, str]) -> None:
    """Nothing of a source with a secret is saved, said or noted in the audit."""
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    code, output = said(site, "preferences", *words)
    assert code == 2
    assert "Airflow connection" in output
    assert HIDDEN not in output
    events = site.rows("select count(*) from events where site = :site and event like '%saved'")
    assert events == [(1,)]


def test_a_source_that_was_saved_once_is_read_again() -> None:
    """What an older version let pass is still read, so that no page and no run breaks over it."""
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
    """SFTP without a login, a move on a web server and a pattern of folders are refused by name."""
    with pytest.raises(ValueError, match=field):
        Preferences.model_validate({"site": "s", **settings})
