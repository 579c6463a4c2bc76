"""Commands for maintenance: protections, migrations, checks, retention and erasure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from oneroster_sync.cli.app import explained, main, now, of_site, person, print_answer

if TYPE_CHECKING:
    from oneroster_sync import StaleCause


@main.group()
def protections() -> None:
    """List and release records that rows with errors have protected for long."""


@protections.command("list")
@of_site
def list_(site: str, as_json: bool) -> None:
    """List stale protections, by cause."""
    from oneroster_sync import stale_protections

    with explained():
        found = stale_protections(site)
    lines = [f"{cause.cause}\n  {cause.to_text()}" for cause in found]
    words = (
        "\n".join(lines) or f"No row with errors has protected a record of site {site} for long."
    )
    print_answer(
        {"site": site, "causes": [_cause_as_dict(c) for c in found]}, words, as_json=as_json
    )


@protections.command()
@of_site
@click.argument("cause")
def show(site: str, cause: str, as_json: bool) -> None:
    """Show which records the next plan would remove if CAUSE were released."""
    from oneroster_sync import preview_release

    with explained():
        goes = preview_release(site, cause)
    lines = [f"{kind}: {', '.join(ids) or 'nothing'}" for kind, ids in goes.items()]
    lines.append(f"Release it with: oneroster protections release {cause} --site {site}")
    print_answer({"site": site, "cause": cause, "goes": goes}, "\n".join(lines), as_json=as_json)


@protections.command()
@of_site
@click.argument("cause")
@click.option("--reason", default="", help="For the audit.")
def release(site: str, cause: str, reason: str, as_json: bool) -> None:
    """Release the records that CAUSE protects: the next plan treats them as absent."""
    from oneroster_sync import release_protection

    with explained():
        done = release_protection(site, cause, by=person(), clock=now, reason=reason)
    words = f"{done.to_text()}. Released: the next plan treats them as absent, and is reviewed."
    print_answer({"site": site, **_cause_as_dict(done)}, words, as_json=as_json)


def _cause_as_dict(found: StaleCause) -> dict[str, Any]:
    names = ("cause", "file", "code", "column", "age", "is_released")
    records = [asdict(record) for record in found.records]
    return {**{name: getattr(found, name) for name in names}, "records": records}


@main.command()
@of_site
def migrate(site: str, as_json: bool) -> None:
    """Upgrade the tables of all sites; safe to run again.

    If ONEROSTER_OWNER_URL is set, the upgrade runs as that role and grants the role of
    ONEROSTER_DATABASE_URL the rights that the services need.
    """
    from oneroster_sync import database

    # Every command has --site, and the tables are those of all sites.
    del site
    with explained():
        database.upgrade()
    words = f"The tables of the roster database are at version {database.HEAD}."
    print_answer({"version": database.HEAD}, words, as_json=as_json)


@main.command()
@of_site
def check(site: str, as_json: bool) -> None:
    """Show warnings about this installation: for all sites, or for one with --site."""
    from click.core import ParameterSource

    from oneroster_sync.operations import installation

    given = click.get_current_context().get_parameter_source("site") is not ParameterSource.DEFAULT
    with explained():
        warnings = installation.find_warnings(site if given else None)
    words = "\n".join(f"Warning: {warning}" for warning in warnings) or "No warnings."
    print_answer({"warnings": warnings}, words, as_json=as_json)


@main.command()
@of_site
def tidy(site: str, as_json: bool) -> None:
    """Delete expired run files, findings and audit rows (oneroster_watch does this daily)."""
    from oneroster_sync.operations import retention

    with explained():
        swept = retention.delete_expired(site, now=now())
    print_answer({"site": site, **asdict(swept)}, f"Removed: {swept.to_text()}.", as_json=as_json)


@main.command()
@of_site
@click.argument("term", metavar="EMAIL|SOURCEDID")
@click.option("--reason", default="", help="For the audit; without the person's name.")
def erase(site: str, term: str, reason: str, as_json: bool) -> None:
    """Erase the personal data of a deactivated person; the audit keeps what was done."""
    from oneroster_sync.operations import erasure

    with explained():
        erased = erasure.erase(site, term, by=person(), now=now(), reason=reason)
    runs = len(erased.runs)
    words = f"The account is {erased.alias} now; {runs:,} runs' files that named it are deleted."
    print_answer(
        {"site": site, "alias": erased.alias, "runs": list(erased.runs)}, words, as_json=as_json
    )
