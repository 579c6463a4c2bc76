"""Commands that show runs, records, changes and accounts, and the one for preferences."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from oneroster_sync.cli.app import (
    FAILED,
    check_site_of,
    explained,
    main,
    now,
    of_site,
    person,
    print_answer,
    to_text,
)

if TYPE_CHECKING:
    from oneroster_sync import RosterChange


@main.command()
@of_site
@click.option("--limit", default=20, show_default=True, help="How many runs.")
def history(site: str, limit: int, as_json: bool) -> None:
    """List recent runs, the newest first."""
    from oneroster_sync import database, runs

    with explained(), database.engine().connect() as connection:
        found = [run.summary() for run in runs.list_newest(connection, site, limit)]
    words = "\n".join(to_text(run) for run in found) or f"Site {site} has no runs yet."
    print_answer({"site": site, "runs": found}, words, as_json=as_json)


@main.command()
@of_site
@click.option("--month", metavar="YYYY-MM", help="In UTC; by default this month.")
@click.option("--csv", "csv", is_flag=True, help="As CSV, as the page downloads it.")
def decisions(site: str, month: str | None, csv: bool, as_json: bool) -> None:
    """List who approved and discarded what in a month."""
    from oneroster_sync import database
    from oneroster_sync.findings.csv_export import format_csv
    from oneroster_sync.runs import decisions_report as report

    month = month or f"{now():%Y-%m}"
    with explained(), database.engine().connect() as connection:
        rows = list(report.rows_of_decisions(report.list_decisions(connection, site, month)))
    if csv:
        click.echo("".join(format_csv(rows, report.COLUMNS)), nl=False)
        return
    lines = (
        f"{row['decided_at']} {row['decision']} by {row['decided_by']}: {row['plan']} "
        f"({row['why_held']}){': ' + row['reason'] if row['reason'] else ''}; run {row['run_id']}"
        for row in rows
    )
    words = "\n".join(lines) or f"No plan of site {site} was decided in {month}."
    print_answer({"site": site, "month": month, "decisions": rows}, words, as_json=as_json)


@main.command()
@of_site
@click.argument("term", metavar="EMAIL|SOURCEDID")
def explain(site: str, term: str, as_json: bool) -> None:
    """Explain the state of a user or a course: its changes and their reasons."""
    from oneroster_sync import database
    from oneroster_sync.roster import history as asking
    from oneroster_sync.runs.summary import lines_of_record

    with explained(), database.engine().connect() as connection:
        records = asking.explain(connection, site, term)
    lines = (line for record in records for line in lines_of_record(record))
    words = "\n".join(lines) or f"Site {site} has no user or course {term}."
    print_answer({"site": site, "records": records}, words, as_json=as_json)
    sys.exit(0 if records else FAILED)


@main.command()
@of_site
@click.option("--after", default="0", show_default=True, help="VERSION.SEQ or VERSION: a cursor.")
@click.option("--limit", default=1_000, show_default=True, help="How many changes.")
def changes(site: str, after: str, limit: int, as_json: bool) -> None:
    """List the changes of the roster after a cursor, in order: the change feed."""
    from oneroster_sync import list_changes

    with explained():
        page = list_changes(site, after=after, limit=limit)
    document = {**asdict(page), "changes": [asdict(change) for change in page.changes]}
    words = "\n".join([*map(_format_change, page.changes), f"next: {page.next}"])
    print_answer(document, words, as_json=as_json)


def _format_change(change: RosterChange) -> str:
    """Format a change as one line, with ids only."""
    ids = {
        "sourcedId": change.sourced_id,
        "user_id": change.user_id,
        "course_id": change.course_id,
    }
    named = ", ".join(f"{name} {value}" for name, value in ids.items() if value is not None)
    return f"{change.version}.{change.seq} {change.action} {change.kind} {named}"


@main.command()
@of_site
@click.argument("run")
@click.option(
    "--csv", "csv", is_flag=True, help="Print links.csv: delete the wrong rows and sync it."
)
def adoption(site: str, run: str, csv: bool, as_json: bool) -> None:
    """List the accounts made by hand, with the matching people in the package of RUN."""
    from oneroster_sync import database
    from oneroster_sync.runs import find
    from oneroster_sync.stages.diff import account_report as report

    del site
    check_site_of(run)
    with explained(), database.engine().connect() as connection:
        accounts = list(report.all_accounts(connection, find(run)))
    if csv:
        click.echo("".join(report.as_csv(accounts)), nl=False)
        return
    words = "\n".join(map(report.to_text, accounts)) or "No hand-made account is left to match."
    print_answer({"run_id": run, "accounts": accounts}, words, as_json=as_json)


@main.command("preferences")
@of_site
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=JSON",
    help="Change a preference, or a part: guards.raised=….",
)
def preferences_(site: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Show a site's preferences, or change them with --set."""
    import oneroster_sync
    from oneroster_sync import database
    from oneroster_sync.sites import preferences_store as store

    with explained():
        if settings:
            changes = dict(map(_setting, settings))
            try:
                chosen = oneroster_sync.change_preferences(site, changes, by=person(), clock=now)
            except oneroster_sync.PreferenceNameError as error:
                raise click.UsageError(str(error)) from error
        else:
            with database.engine().connect() as connection:
                chosen = store.load(connection, site)
    dumped = chosen.model_dump(mode="json")
    words = "\n".join(f"{name} = {json.dumps(value)}" for name, value in dumped.items())
    print_answer(dumped, words, as_json=as_json)


@main.command("database-url")
@of_site
def database_url(site: str, as_json: bool) -> None:
    """Print the URL of the roster database in use."""
    from oneroster_sync import database

    del site
    with explained():
        # Starts the embedded PostgreSQL and makes its tables, so that the printed URL works at
        # once.
        database.engine()
        found = database.url()
    print_answer({"url": found}, found, as_json=as_json)


def _setting(given: str) -> tuple[str, Any]:
    name, found, value = given.partition("=")
    if not found:
        raise click.UsageError(f"--set takes NAME=JSON, not {given!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        # Not JSON, so a text: `--set source=/srv/sis` needs no quotes within quotes.
        return name, value
