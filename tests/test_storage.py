"""The storage in a bucket: other machines see each file at once, and no file is deleted early."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import fsspec
import pytest
from botocore.exceptions import EndpointConnectionError

from oneroster_airflow.api.errors import unexpected
from oneroster_sync import settings
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sources import uploads
from oneroster_sync.standard.kinds import Kind
from roster_of import SCHOOL, changed, now
from servers import BUCKET, HOST, S3, closed_port, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

USERS = SCHOOL["users.csv"].encode()


@pytest.fixture(scope="module")
def running() -> Iterator[S3]:
    """An S3 server."""
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(running: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The storage of this process, in a bucket that the environment names."""
    monkeypatch.setenv("ONEROSTER_STORAGE_URL", f"s3://{BUCKET}/oneroster")
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", running.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", running.secret)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3", skip_instance_cache=True).clear_instance_cache()
    return running


def uploaded(bucket: S3) -> list[str]:
    """Return the keys of all uploads."""
    return [key for key in bucket.keys() if "/uploads/" in key]  # noqa: SIM118


def receive(site: Site, kind: Kind = Kind.USERS) -> str:
    """Upload a users.csv as this upload type, and return its package."""
    with uploads.Receiving(site.name, kind) as receiving:
        receiving.write(USERS)
        return receiving.finish().package


@pytest.mark.case("b40")
def test_an_upload_waits_in_the_bucket(bucket: S3, site: Site) -> None:
    """An upload is one whole object, which later uploads keep for a week."""
    package = receive(site)
    assert uploaded(bucket) == [package.removeprefix(f"s3://{BUCKET}/")]
    uploads.sweep(site.name, now=now())
    uploads.sweep(site.name, now=now() + dt.timedelta(days=6))
    assert len(uploaded(bucket)) == 1
    uploads.sweep(site.name, now=now() + dt.timedelta(days=8))
    assert uploaded(bucket) == []


def test_an_upload_that_was_read_is_forgotten(bucket: S3, site: Site) -> None:
    """The object is deleted when its own run has ended."""
    first, second = receive(site), receive(site)
    uploads.forget(site.name, first)
    assert uploaded(bucket) == [second.removeprefix(f"s3://{BUCKET}/")]
    uploads.forget(site.name, second)
    assert uploaded(bucket) == []


def test_an_upload_that_is_refused_leaves_nothing(bucket: S3, site: Site) -> None:
    """A file of another type is refused, and the bucket is unchanged."""
    before = bucket.keys()
    with pytest.raises(uploads.WrongKindError):
        receive(site, Kind.PACKAGE)
    assert bucket.keys() == before


def test_unreachable_bucket_has_its_own_error(
    bucket: S3, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to an upload says what to do, and is no internal error."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:{closed_port()}")
    fsspec.filesystem("s3", skip_instance_cache=True).clear_instance_cache()
    with pytest.raises(EndpointConnectionError) as failure:
        receive(site)
    answer = unexpected(failure.value)
    assert answer.status_code == 503
    assert b"The storage does not answer" in answer.body


@pytest.mark.case("b40")
def test_file_of_another_machine_is_seen_at_once(bucket: S3, site: Site) -> None:
    """Neither the absence nor the presence of a file is cached."""
    folder = RunFolder.of(site.name, "run")
    assert not folder.exists()
    assert folder.packed("report") is None
    assert folder.read_tables("plan") == {}
    key = f"oneroster/runs/{site.name}/run"
    bucket.put(f"{key}/report/index.html", b"<html>")
    bucket.put(f"{key}/report.json", b"[1]")
    assert folder.exists()
    assert folder.packed("report") is not None
    assert folder.read_json("report") == [1]
    for part in ("report/index.html", "report.json"):
        bucket.client.delete_object(Bucket=BUCKET, Key=f"{key}/{part}")
    assert not folder.exists()
    assert folder.packed("report") is None


@pytest.mark.case("b40")
@pytest.mark.long
def test_a_site_lives_in_the_bucket(bucket: S3, site: Site) -> None:
    """Sync, undo, purge and erasure work if runs keep their files in a bucket."""
    run = site.sync(SCHOOL)
    assert run["outcome"] == "succeeded"
    plan = [key for key in bucket.keys() if f"{run['run_id']}/plan/" in key]  # noqa: SIM118
    assert plan
    fewer = changed(SCHOOL, "users.csv", "cec,true,aide,cpoe,Cec,Poe,cec@x.org\n", "")
    fewer = changed(fewer, "enrollments.csv", "e3,a1,cec,aide\n", "")
    assert site.sync(fewer)["outcome"] == "succeeded"
    assert site.users()["cec"] == "inactive"
    assert site.command("erase", "cec")[0] == 0
    assert site.command("tidy")[0] == 0
    assert site.sync(fewer)["outcome"] == "no_changes"


def test_a_storage_that_nothing_can_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for an unknown scheme names the scheme and its variable."""
    monkeypatch.setenv("ONEROSTER_STORAGE_URL", "carrierpigeon://coop/oneroster")
    with pytest.raises(settings.SettingError, match="ONEROSTER_STORAGE_URL begins with carrier"):
        settings.storage()
