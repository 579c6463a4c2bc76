"""Commands for sites: create, copy, archive and restore them, one by one or from a file."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneroster_sync.cli.app import REJECTED, a_site, explained, main, now, person, print_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync.operations.sites_plan import SitesPlan
    from oneroster_sync.operations.strict_yaml import Wrong


@main.group()
def sites() -> None:
    """Create, copy and archive sites, one by one or from a file that is kept in git."""


def _json(command: Callable[..., None]) -> Callable[..., None]:
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    return option(command)


_SITE = click.argument("site", callback=a_site)
_ADMIN = click.option(
    "--admin", required=True, metavar="EMAIL", help="The site's administrator, to be created."
)
_FILE = click.argument("file", type=click.Path(path_type=Path))
_MISSING = click.option(
    "--archive-missing", is_flag=True, help="Archive the sites that FILE does not name."
)


@sites.command("list")
@_json
def list_(as_json: bool) -> None:
    """List all sites with their last run, including archived sites."""
    from oneroster_sync import database
    from oneroster_sync.sites import registry

    with explained(), database.engine().connect() as connection:
        there = registry.all_sites(connection)
        last = registry.last_runs(connection)
    found = [
        {
            "site": site,
            "archived_at": record.archived_at,
            "archived_by": record.archived_by,
            "last_run": asdict(last[site]) if site in last else None,
        }
        for site, record in there.items()
    ]
    words = "\n".join(map(_in_one_line, found)) or (
        "There is no site yet; create one with: oneroster sites create SITE --admin EMAIL"
    )
    print_answer({"sites": found}, words, as_json=as_json)


@sites.command()
@_SITE
@_ADMIN
@_json
def create(site: str, admin: str, as_json: bool) -> None:
    """Create SITE with default preferences; its sync is off."""
    from oneroster_sync.operations import site_lifecycle

    with explained():
        site_lifecycle.create(site, admin, by=person(), now=now())
    print_answer({"site": site}, f"Site {site} is ready; its sync is off.", as_json=as_json)


@sites.command()
@click.argument("source", callback=a_site)
@_SITE
@_ADMIN
@_json
def copy(source: str, site: str, admin: str, as_json: bool) -> None:
    """Create SITE with the preferences of SOURCE, without roster and runs; its sync is off."""
    from oneroster_sync import database
    from oneroster_sync.operations import site_lifecycle
    from oneroster_sync.sites import preferences_store

    with explained():
        site_lifecycle.copy(source, site, admin, by=person(), now=now())
        with database.engine().connect() as connection:
            reads = preferences_store.load(connection, site).source
    words = f"Site {site} has the preferences of {source}; its sync is off."
    if reads:
        words += f"\nBoth sites read the same source now: give {site} its own first."
    print_answer(
        {"site": site, "copied_from": source, "same_source": bool(reads)}, words, as_json=as_json
    )


@sites.command()
@_SITE
@click.argument("title", required=False)
@_json
def rename(site: str, title: str | None, as_json: bool) -> None:
    """Show SITE as TITLE on the pages, or without TITLE by its id; the id never changes."""
    from oneroster_sync.operations import site_lifecycle

    with explained():
        kept = site_lifecycle.rename(site, title, by=person(), now=now())
    words = f"Site {site} is shown as {kept}." if kept else f"Site {site} is shown by its id."
    print_answer({"site": site, "title": kept}, words, as_json=as_json)


@sites.command("stop")
@click.option("--reason", required=True, help="The reason, shown to all users.")
@_json
def stop(reason: str, as_json: bool) -> None:
    """Stop the syncs of all sites for maintenance; each site keeps its own switch."""
    from oneroster_sync import database
    from oneroster_sync.sites import maintenance

    with explained(), database.engine().begin() as connection:
        found = maintenance.begin(connection, reason, by=person(), now=now())
    words = f"{found.to_text().capitalize()}. Resume them with: oneroster sites resume"
    print_answer({"maintenance": asdict(found)}, words, as_json=as_json)


@sites.command("resume")
@_json
def resume(as_json: bool) -> None:
    """Resume the syncs of all sites whose own switch is on."""
    from oneroster_sync import database
    from oneroster_sync.sites import maintenance

    with explained(), database.engine().begin() as connection:
        found = maintenance.end(connection, by=person(), now=now())
    words = "The syncs of all sites are resumed." if found else "No syncs were stopped."
    print_answer(
        {"maintenance": None, "ended": asdict(found) if found else None}, words, as_json=as_json
    )


@sites.command()
@_SITE
@_json
def archive(site: str, as_json: bool) -> None:
    """Archive SITE: no run of it can start, but all its data can still be read."""
    from oneroster_sync.operations import site_lifecycle

    with explained():
        done = site_lifecycle.archive(site, by=person(), now=now())
    words = f"Site {site} is archived; restore it with: oneroster sites restore {site}"
    if done.ended:
        words += f"\nDiscarded, because they had not ended: {', '.join(done.ended)}"
    print_answer(asdict(done), words, as_json=as_json)


@sites.command()
@_SITE
@_json
def restore(site: str, as_json: bool) -> None:
    """Restore an archived SITE, with its sync off."""
    from oneroster_sync.operations import site_lifecycle

    with explained():
        site_lifecycle.restore(site, by=person(), now=now())
    print_answer({"site": site}, f"Site {site} is restored; its sync is off.", as_json=as_json)


@sites.command()
@_SITE
@click.argument("value")
@_json
def withdraw(site: str, value: str, as_json: bool) -> None:
    """Withdraw the permission of SITE to use VALUE: a source, a connection or a channel.

    `oneroster check` lists the values that an upgrade, or the person who saved them, allowed.
    """
    from oneroster_sync import database
    from oneroster_sync.sites import allow_list, preferences_store

    with explained(), database.engine().begin() as connection:
        taken = allow_list.withdraw(connection, site, value)
        details = {"value": value, "as": [what.value for what in taken]}
        if taken:
            preferences_store.note_event(
                connection, site, person(), "allowed_withdrawn", details, now=now()
            )
    if not taken:
        raise click.ClickException(
            f"{value} was not allowed to the site {site} by name; see: oneroster check"
        )
    words = f"The site {site} may no longer use {value}, unless the deployment allows it."
    print_answer({"site": site, **details}, words, as_json=as_json)


@sites.command("plan")
@_FILE
@_MISSING
@_json
def plan_(file: Path, archive_missing: bool, as_json: bool) -> None:
    """Show what FILE would change, site by site, without changing anything."""
    from oneroster_sync.operations import sites_plan as planning
    from oneroster_sync.operations.sites_file import read_file
    from oneroster_sync.operations.strict_yaml import WrongFileError

    with explained():
        try:
            wanted = read_file(_content(file))
            made = planning.make_plan(wanted, archive_missing=archive_missing)
        except WrongFileError as error:
            _reject(file, error.wrong, as_json=as_json)
    words = _format_planned(made)
    if made.changes:
        more = " --archive-missing" if archive_missing else ""
        apply = f"oneroster sites apply {file}{more} --plan {made.hash()}"
        words += f"\nApply exactly this with: {apply}"
    print_answer(
        _as_dict(made, "planned" if made.changes else "no_changes"), words, as_json=as_json
    )


@sites.command("apply")
@_FILE
@_MISSING
@click.option("--plan", "plan_hash", metavar="HASH", help="Hash of the plan to apply.")
@_json
def apply_(file: Path, archive_missing: bool, plan_hash: str | None, as_json: bool) -> None:
    """Create and change sites as FILE says: all changes, or none if one fails."""
    from oneroster_sync.operations import sites_plan as planning
    from oneroster_sync.operations.sites_file import read_file
    from oneroster_sync.operations.strict_yaml import WrongFileError

    with explained():
        try:
            done = planning.apply(
                read_file(_content(file)),
                by=f"{person()}, by {file.name}",
                now=now(),
                plan_hash=plan_hash,
                archive_missing=archive_missing,
            )
        except WrongFileError as error:
            _reject(file, error.wrong, as_json=as_json)
    words = _format_planned(done) + ("\nDone." if done.changes else "")
    print_answer(
        _as_dict(done, "succeeded" if done.changes else "no_changes"), words, as_json=as_json
    )


@sites.command()
@click.argument("names", nargs=-1, metavar="[SITE]...")
@_json
def export(names: tuple[str, ...], as_json: bool) -> None:
    """Print the file for the existing sites, without secrets; applying it changes nothing."""
    from oneroster_sync import database
    from oneroster_sync.operations.sites_file import export as write

    for name in names:
        # The callback of an argument with many values would get all of them at once.
        a_site(click.get_current_context(), click.Argument(["site"]), name)
    with explained(), database.engine().connect() as connection:
        text = write(connection, names)
    print_answer({"file": text}, text.rstrip("\n"), as_json=as_json)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{file} can't be read: {error.strerror}") from None


def _reject(file: Path, wrong: tuple[Wrong, ...], *, as_json: bool) -> None:
    """Print the errors of a file with their positions, and exit with 4."""
    document = {"file": str(file), "outcome": "rejected", "errors": [asdict(it) for it in wrong]}
    lines = [f"{file}:{it.line}:{it.column}: {_format_wrong(it)}" for it in wrong]
    print_answer(document, "\n".join([*lines, "Nothing was changed."]), as_json=as_json)
    # A wrong file is rejected as a wrong package is.
    sys.exit(REJECTED)


def _format_wrong(wrong: Wrong) -> str:
    where = f"{wrong.where}: " if wrong.where else ""
    return f"{where}{wrong.message}; expected {wrong.expected}"


def _as_dict(plan: SitesPlan, outcome: str) -> dict[str, Any]:
    sites = [change.as_dict() for change in plan.changes]
    return {"outcome": outcome, "plan_hash": plan.hash(), "sites": sites}


def _format_planned(plan: SitesPlan) -> str:
    if not plan.changes:
        return "All sites are as the file says."
    lines = []
    for change in plan.changes:
        lines.append(f"{change.site}: {', '.join(change.actions)}")
        for name, before, after in change.preferences:
            lines.append(f"  {name}: {json.dumps(before)} → {json.dumps(after)}")
    return "\n".join(lines)


def _in_one_line(found: dict[str, Any]) -> str:
    last = found["last_run"]
    state = "no run yet"
    if last:
        state = f"last run {last['started_at']:%Y-%m-%d %H:%M} {last['outcome'] or 'under way'}"
    if found["archived_at"]:
        state = f"archived {found['archived_at']:%Y-%m-%d} by {found['archived_by']}; {state}"
    return f"{found['site']}: {state}"
