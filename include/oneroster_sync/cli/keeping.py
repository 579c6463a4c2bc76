"""Commands about what is kept, and for how long."""

from __future__ import annotations

from dataclasses import asdict

import click

from oneroster_sync.cli.console import explained, main, now, of_site, person, say


@main.command()
@of_site
def migrate(site: str, as_json: bool) -> None:
    """Bring the tables of all sites up to date; safe to run again.

    Where ONEROSTER_OWNER_URL is set, it is done as that role, and the role of
    ONEROSTER_DATABASE_URL gets the rights that the services need.
    """
    from oneroster_sync.store import database

    del site
    with explained():
        database.upgrade()
    words = f"The tables of the roster database are those of version {database.HEAD}."
    say({"version": database.HEAD}, words, as_json=as_json)


@main.command()
@of_site
def check(site: str, as_json: bool) -> None:
    """Say what of this installation an operator should know: of all sites, or of one by --site."""
    from click.core import ParameterSource

    from oneroster_sync import installation

    given = click.get_current_context().get_parameter_source("site") is not ParameterSource.DEFAULT
    with explained():
        warnings = installation.find_warnings(site if given else None)
    words = "\n".join(f"Warning: {warning}" for warning in warnings) or "Nothing to warn of."
    say({"warnings": warnings}, words, as_json=as_json)


@main.command()
@of_site
def tidy(site: str, as_json: bool) -> None:
    """Remove what has had its time, as the DAG oneroster_watch does every day."""
    from oneroster_sync import retention

    with explained():
        swept = retention.sweep(site, now=now())
    say({"site": site, **asdict(swept)}, f"Removed: {swept.in_words()}.", as_json=as_json)


@main.command()
@of_site
@click.argument("term", metavar="EMAIL|SOURCEDID")
@click.option("--reason", default="", help="For the audit; without the person's name.")
def erase(site: str, term: str, reason: str, as_json: bool) -> None:
    """Erase who a deactivated person was; what was done to the account stays."""
    from oneroster_sync import erasure

    with explained():
        erased = erasure.erase(site, term, by=person(), now=now(), reason=reason)
    runs = len(erased.runs)
    words = f"The account is {erased.alias} now; files of {runs:,} runs spoke of it and are gone."
    say({"site": site, "alias": erased.alias, "runs": list(erased.runs)}, words, as_json=as_json)
