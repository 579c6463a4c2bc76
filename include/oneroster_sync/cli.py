"""The command line: the same stages as the DAGs', without Airflow.

Exit codes: 0 done, 1 failed, 2 usage, 3 held, 4 rejected.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import logging
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneroster_sync.package.kinds import Kind
from oneroster_sync.preferences import Profile, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync.store.runs import Run
    from oneroster_sync.sync import Request

FAILED, HELD, REJECTED = 1, 3, 4
_EXIT = {"held": HELD, "rejected": REJECTED, "failed": FAILED, "superseded": FAILED}
_PROFILES = click.Choice([p.value for p in Profile])
_KINDS = click.Choice([k.value for k in Kind])


def _site(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every command has."""
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(
        command
    )
    whose = click.option("--site", default="default", show_default=True, help="Whose roster.")
    return whose(command)


def _package(command: Callable[..., None]) -> Callable[..., None]:
    """Add what says which package is read, and how."""
    scopes = click.Choice([Scope.USERS.value, Scope.USERS_AND_COURSES.value])
    for option in (
        click.option("--kind", type=_KINDS, default=Kind.PACKAGE.value, show_default=True),
        click.option("--profile", type=_PROFILES),
        click.option("--scope", type=scopes),
        click.argument("package", type=click.Path()),
    ):
        command = option(command)
    return command


class _Console(logging.Handler):
    """Write the story of a run to stderr, whatever stderr is just then."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        click.echo(f"{record.levelname:<7} {record.getMessage()}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-q", "--quiet", is_flag=True, help="Don't tell the story of the run on stderr.")
def main(quiet: bool) -> None:
    """Keep a roster in step with a OneRoster export."""
    told = logging.getLogger("oneroster")
    told.handlers = [_Console()]
    told.setLevel(logging.CRITICAL if quiet else logging.INFO)


@main.command()
@_site
@click.option("--admin", required=True, help="E-mail address of the administrator to credit.")
def init(site: str, admin: str, as_json: bool) -> None:
    """Make a site with one hand-made administrator and default preferences."""
    from oneroster_sync.store import database, preferences

    with _explained(), database.engine().begin() as connection:
        made = preferences.make_site(connection, site, admin, now=_now())
    words = (
        f"Site {site} is ready." if made else f"Site {site} was there already; nothing was changed."
    )
    _say({"site": site, "made": made}, words, as_json=as_json)


@main.command()
@_site
@_package
def sync(
    site: str, package: str, scope: str | None, profile: str | None, kind: str, as_json: bool
) -> None:
    """Sync PACKAGE: a zip, a folder or a lone CSV."""
    from oneroster_sync import sync as syncing

    with _explained():
        run = syncing.sync(_request(site, package, scope, profile, kind), clock=_now)
        waiting = syncing.what_waits(run, str(uuid.uuid4()))
        removals = syncing.sync(waiting, clock=_now) if waiting else None
    _end(run, removals, as_json=as_json)


@main.command()
@_site
@_package
def plan(
    site: str, package: str, scope: str | None, profile: str | None, kind: str, as_json: bool
) -> None:
    """Show what a sync of PACKAGE would do; nothing is changed."""
    from oneroster_sync import sync as syncing
    from oneroster_sync.run_contents import read_plan

    with _explained():
        run = syncing.preview(_request(site, package, scope, profile, kind), clock=_now)
        frozen = read_plan(run) if run.plan_hash else None
    summary = run.summary()
    summary["outcome"] = summary["outcome"] or (
        "no_changes" if frozen and frozen.is_empty() else "planned"
    )
    if frozen is not None:
        summary["changes"] = {
            kind: table.to_pylist() for kind, table in frozen.tables().items() if "." not in kind
        }
    _say(summary, _in_words(summary), as_json=as_json)
    sys.exit(_EXIT.get(summary["outcome"], 0))


@main.command()
@_site
@click.argument("package", type=click.Path())
@click.option("--profile", type=_PROFILES, default=Profile.TOLERANT.value)
def validate(site: str, package: str, profile: str, as_json: bool) -> None:
    """Judge PACKAGE by the suites; no database is needed and nothing is kept."""
    from oneroster_sync.checking import check_package

    with _explained():
        checked = check_package(Path(package), Profile(profile))
    rows = checked.findings.table().to_pylist()
    errors = sum(row["severity"] == "error" for row in rows)
    summary = {
        "site": site,
        "outcome": "rejected"
        if checked.rejected
        else "succeeded_with_errors"
        if errors
        else "succeeded",
        "version": checked.version.value,
        "rows": checked.rows,
        "findings": {"errors": errors, "warnings": len(rows) - errors},
        "list": rows,
    }
    told = f"{errors} errors, {len(rows) - errors} warnings"
    words = f"OneRoster {checked.version}: {told}, {summary['outcome']}."
    _say(summary, words, as_json=as_json)
    sys.exit(REJECTED if checked.rejected else 0)


@main.command()
@_site
@click.argument("run")
@click.option("--hash", "plan_hash", help="Hash of the plan that you looked at.")
@click.option("--reason", default="", help="For the audit.")
def approve(site: str, run: str, plan_hash: str | None, reason: str, as_json: bool) -> None:
    """Approve the plan of a held RUN and apply it."""
    from oneroster_sync import decisions

    del site
    with _explained():
        _end(
            decisions.approve(run, by=_person(), now=_now(), plan_hash=plan_hash, reason=reason),
            as_json=as_json,
        )


@main.command()
@_site
@click.argument("run")
@click.option("--reason", default="", help="For the audit.")
def discard(site: str, run: str, reason: str, as_json: bool) -> None:
    """Discard the plan of a held RUN."""
    from oneroster_sync import decisions

    del site
    with _explained():
        _end(decisions.discard(run, by=_person(), now=_now(), reason=reason), as_json=as_json)


@main.command()
@_site
@click.argument("run")
@click.option("--kind", type=click.Choice(["user", "course", "assignment"]), help="Of one kind.")
@click.option("--record", metavar="SOURCEDID", help="Of one user or course, assignments included.")
@click.option("--changed-too", is_flag=True, help="Also what changed again since.")
def undo(
    site: str, run: str, kind: str | None, record: str | None, changed_too: bool, as_json: bool
) -> None:
    """Take back what RUN changed, with guards and review like any sync."""
    from oneroster_sync import sync as syncing
    from oneroster_sync.undo import Part

    with _explained():
        request = replace(
            _request(site, "", None, None, Kind.PACKAGE.value),
            undoes=run,
            undo_of=Part(kind, record, changed_too),
        )
        done, left = syncing.undo(request, clock=_now)
    for untouched in left:
        click.echo(f"left alone, because it changed again since: {untouched}", err=True)
    _end(done, as_json=as_json)


@main.command()
@_site
@click.option("--limit", default=20, show_default=True, help="How many runs.")
def history(site: str, limit: int, as_json: bool) -> None:
    """List recent runs, the newest first."""
    from oneroster_sync.store import database, runs

    with _explained(), database.engine().connect() as connection:
        found = [run.summary() for run in runs.newest(connection, site, limit)]
    words = "\n".join(_in_words(run) for run in found) or f"Site {site} has had no run."
    _say({"site": site, "runs": found}, words, as_json=as_json)


@main.command()
@_site
@click.argument("term", metavar="EMAIL|SOURCEDID")
def explain(site: str, term: str, as_json: bool) -> None:
    """Tell why a user or a course is as it is."""
    from oneroster_sync.sentences import lines_of_record
    from oneroster_sync.store import database
    from oneroster_sync.store import history as asking

    with _explained(), database.engine().connect() as connection:
        records = asking.explain(connection, site, term)
    lines = (line for record in records for line in lines_of_record(record))
    words = "\n".join(lines) or f"Site {site} knows no user or course by {term}."
    _say({"site": site, "records": records}, words, as_json=as_json)
    sys.exit(0 if records else FAILED)


@main.command()
@_site
@click.argument("run")
@click.option(
    "--csv", "csv", is_flag=True, help="As links.csv: delete what is wrong, sync the rest."
)
def adoption(site: str, run: str, csv: bool, as_json: bool) -> None:
    """List the accounts that were made by hand, and whose each may be by the package of RUN."""
    from oneroster_sync import adoption as report
    from oneroster_sync.stages import find
    from oneroster_sync.store import database

    del site
    with _explained(), database.engine().connect() as connection:
        accounts = list(report.all_accounts(connection, find(run)))
    if csv:
        click.echo("".join(report.as_csv(accounts)), nl=False)
        return
    words = "\n".join(map(report.in_words, accounts)) or "Every account is the sync's own."
    _say({"run_id": run, "accounts": accounts}, words, as_json=as_json)


@main.command("preferences")
@_site
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=JSON", help="Change one, or guards.raised=…."
)
def preferences_(site: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Show a site's preferences, or change them with --set."""
    from oneroster_sync.store import database
    from oneroster_sync.store import preferences as store

    with _explained(), database.engine().begin() as connection:
        chosen = store.load(connection, site)
        if settings:
            changed = chosen.model_dump(mode="json")
            for setting in settings:
                _change(changed, *_setting(setting))
            chosen = type(chosen).model_validate(changed)
            chosen = store.save(connection, chosen, actor=_person(), now=_now())
    dumped = chosen.model_dump(mode="json")
    words = "\n".join(f"{name} = {json.dumps(value)}" for name, value in dumped.items())
    _say(dumped, words, as_json=as_json)


@main.command("database-url")
@_site
def database_url(site: str, as_json: bool) -> None:
    """Print the URL of the roster database in use."""
    from oneroster_sync.store import database

    del site
    with _explained():
        database.engine()
        found = database.url()
    _say({"url": found}, found, as_json=as_json)


def _request(site: str, package: str, scope: str | None, profile: str | None, kind: str) -> Request:
    from oneroster_sync.store.runs import Trigger
    from oneroster_sync.sync import Request

    return Request(
        run_id=str(uuid.uuid4()),
        site=site,
        package=str(Path(package).absolute()),
        trigger=Trigger.COMMAND,
        requested_by=_person(),
        kind=Kind(kind),
        scope=Scope(scope) if scope else None,
        profile=Profile(profile) if profile else None,
    )


def _setting(given: str) -> tuple[str, Any]:
    name, found, value = given.partition("=")
    if not found:
        raise click.UsageError(f"--set takes NAME=JSON, not {given!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _change(values: dict[str, Any], name: str, value: Any) -> None:
    """Change one setting, or by a dotted name one part of a group; the others stay."""
    if name == "site":
        raise click.UsageError("the site is named by --site; it can't be set")
    group, dot, part = name.partition(".")
    if not dot:
        values[name] = value
    elif isinstance(values.get(group), dict):
        _change(values[group], part, value)
    else:
        raise click.UsageError(f"{group} has no parts that could be set")


class _explained:  # noqa: N801  reads as a statement
    """Turn what a person can mend into one sentence and exit code 1."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        """Raise a ClickException for the errors that explain themselves."""
        if isinstance(error, Exception) and not isinstance(error, click.ClickException):
            module = type(error).__module__
            if module.startswith("oneroster_sync"):
                raise click.ClickException(str(error)) from error
            if module.startswith("pydantic"):
                raise click.UsageError(str(error)) from error


def _end(run: Run, removals: Run | None = None, *, as_json: bool) -> None:
    """Say how a run ended, and the run that brings its removals, and exit accordingly."""
    summary = run.summary()
    words, outcome = _in_words(summary), summary["outcome"]
    if removals is not None:
        summary["removals"] = removals.summary()
        words += f"\nIts removals:\n{_in_words(summary['removals'])}"
        outcome = summary["removals"]["outcome"]
    _say(summary, words, as_json=as_json)
    sys.exit(_EXIT.get(outcome, 0))


def _in_words(summary: dict[str, Any]) -> str:
    from oneroster_sync.sentences import done_in_words, left_out_in_words

    counts = summary["counts"] or {}
    parts = [f"{summary['run_id']} {summary['started_at'][:16]} {summary['outcome']}"]
    for kind, numbers in counts.items():
        told = ", ".join(f"{n:,} {done_in_words(word)}" for word, n in numbers.items() if n)
        parts.append(f"{kind}: {told or 'nothing'}")
    if summary.get("withheld"):
        parts.append(left_out_in_words(summary["withheld"]))
    parts.extend(summary["reasons"])
    return "\n  ".join(parts)


def _say(value: dict[str, Any], words: str, *, as_json: bool) -> None:
    click.echo(json.dumps(value, default=str) if as_json else words)


def _person() -> str:
    return f"{getpass.getuser()} on the command line"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    main()
