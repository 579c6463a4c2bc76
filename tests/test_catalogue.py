"""Each bad input of the catalogue, synced on the command line in both profiles.

A case defines the outcome, the findings with their places and texts, and the changes of the roster;
everything else stays as it is. Most cases share one site, because they change nothing.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from catalogue import inputs
from catalogue.case import BadInput, found, written
from catalogue.promises import PROMISES
from catalogue.tally import tally
from conftest import ADMIN, Site
from golden.held import held_by
from golden.school import SCHOOL
from oneroster_sync import database
from oneroster_sync.cli import HELD, REJECTED, main
from oneroster_sync.findings import CODES
from oneroster_sync.findings.finding import rows_as_findings
from oneroster_sync.runs import find
from oneroster_sync.runs.artifacts import all_findings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oneroster_sync.findings import Finding

_REMEMBERED = "orgs", "roles", "classes", "enrollments", "modified"
_TABLES = "users", "courses", "course_assignments", *_REMEMBERED
_ACCOUNT = """
insert into users (site, given_name, family_name, email, login, username, role, status, managed)
values (:site, 'Eva', 'Hand', :email, :email, :email, 'teacher', 'active', false)
"""
REFUSED = "rejected"
_EXIT = {"held": HELD, REFUSED: REJECTED}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a sync: the exit code, the run, and the log."""

    exit_code: int
    run: dict[str, Any]
    log: str

    def findings(self) -> list[Finding]:
        """Return the findings of the run, in order."""
        return list(rows_as_findings(all_findings(find(self.run["run_id"]))))


def bring(site: Site, package: Path, *options: str) -> Answer:
    """Sync a package on the command line."""
    words = ["sync", str(package), *options, "--site", site.name, "--json"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    return Answer(result.exit_code, json.loads(result.stdout), result.stderr)


def made(folder: Path, name: str, bad: BadInput | None = None) -> Site:
    """Return a site that has synced the packages that a case needs, by default the small school."""
    site = Site(name, folder)
    site.command("init", "--admin", ADMIN)
    before = (SCHOOL,) if bad is None or bad.before is None else bad.before
    for number, contents in enumerate(before):
        (folder / f"before-{number}").mkdir()
        answer = bring(site, written(contents, folder / f"before-{number}"))
        assert answer.run["outcome"] == "succeeded"
    for setting in bad.preferences if bad else ():
        site.command("preferences", "--set", setting)
    for email in bad.accounts if bad else ():
        with database.engine().begin() as connection:
            connection.execute(sa.text(_ACCOUNT), {"site": name, "email": email})
    return site


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with the small school; tests must leave it unchanged."""
    return made(tmp_path_factory.mktemp("school"), "catalogue")


_NUMBERS = itertools.count(1)


def site_for(bad: BadInput, profile: str, request: pytest.FixtureRequest, folder: Path) -> Site:
    """Return the shared site, or a new one if the case changes something."""
    if bad.changes_nothing(profile):
        site: Site = request.getfixturevalue("school")
        return site
    return made(folder, f"catalogue-{next(_NUMBERS)}", bad)


def whole(site: Site) -> dict[str, Any]:
    """Return all rows that a site holds and remembers."""
    each = (
        f"select '{table}', array(select t::text from {table} t where site = :site order by 1)"  # noqa: S608
        for table in _TABLES
    )
    return dict(site.rows(" union all ".join(each)))


def cut_like(line: str, wanted: str) -> str:
    """Return a finding, cut off where the expected one ends with `…`, because days follow there."""
    shortened = wanted.endswith("…") and line.startswith(wanted.removesuffix("…"))
    return wanted if shortened else line


def _in_both_profiles() -> Iterator[Any]:
    """Yield each input with each profile.

    Where strict has the verdict of tolerant, the second sync proves little: `make long` runs it.
    """
    for bad, profile in itertools.product(inputs.ALL, ("tolerant", "strict")):
        is_same = profile == "strict" and bad.verdict(profile) == bad.tolerant
        marks = [pytest.mark.case(bad.case), *([pytest.mark.long] if is_same else [])]
        yield pytest.param(bad, profile, id=f"{bad.name}-{profile}", marks=marks)


@pytest.mark.parametrize(("bad", "profile"), list(_in_both_profiles()))
def test_bad_input(
    bad: BadInput,
    profile: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bad input has the outcome, findings, log and roster that its case expects."""
    site, verdict = site_for(bad, profile, request, tmp_path), bad.verdict(profile)
    before, rows = held_by(site), whole(site)
    for name, value in bad.settings.items():
        monkeypatch.setenv(name, value)

    answer = bring(site, bad.write(tmp_path), *bad.options, "--profile", profile)

    findings, after = answer.findings(), held_by(site)
    end = verdict.outcome, _EXIT.get(verdict.outcome, 0)
    assert (answer.run["outcome"], answer.exit_code) == end
    actual = [found(finding) for finding in findings]
    both = itertools.zip_longest(actual, verdict.findings, fillvalue="")
    assert [cut_like(line, wanted) for line, wanted in both] == list(verdict.findings)
    for kind, records in before.items():
        wanted = {**records, **verdict.became.get(kind, {})}
        assert after[kind] == {key: value for key, value in wanted.items() if value}
    moved = {table for table, now in whole(site).items() if now != rows[table]}
    if not (verdict.outcome == "succeeded" or verdict.became):
        assert moved == set(verdict.remembers)
    assert moved.intersection(_REMEMBERED) == set(verdict.remembers)
    counted = {
        kind: numbers["errors"]
        for kind, numbers in (answer.run["counts"] or {}).items()
        if numbers["errors"]
    }
    assert counted == dict(verdict.errors)
    # The log has a line for each cause, with its code and its file.
    lines = answer.log.splitlines()
    for finding in findings:
        named = [finding.code, *filter(None, [finding.file])]
        assert any(all(name in line for name in named) for line in lines), finding
    assert len([line for line in lines if " row." in line]) <= 4 * len(findings)
    if verdict.outcome in _EXIT:
        reasons = "\n".join(answer.run["reasons"])
        ends_it = [f for f in findings if f.code.startswith("guard.") or verdict.outcome == REFUSED]
        ends_it = [f for f in ends_it if f.severity == "error"]
        assert ends_it
        # Of rows with the same fault, the first is named, with the number of the others.
        meant = {f.code: (f.file or "", CODES[f.code].hint) for f in ends_it[:10]}
        assert all(
            code in reasons or all(words in reasons for words in texts)
            for code, texts in meant.items()
        )
    assert "Traceback" not in answer.log


def test_tally_counts_the_cases_that_hold() -> None:
    """A case holds if all its tests pass, and the tally names each case that does not."""

    def report(*cases: str, when: str = "call") -> SimpleNamespace:
        return SimpleNamespace(user_properties=[("case", case) for case in cases], when=when)

    stats = {"passed": [report("a01"), report("b01", "b02")], "failed": [report("a01"), report()]}

    first, second = tally(stats)

    assert first == f"catalogue: 3 of {len(PROMISES)} cases tried by 3 tests, 2 held"
    assert second == "catalogue: NOT held: a01"
    assert list(tally({"passed": [report()]})) == []
