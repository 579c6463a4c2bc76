"""Commands that plan, sync, validate and compare, and those that decide about a run."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneroster_sync.cli.app import (
    DIFFERENT,
    EXIT_CODES,
    REJECTED,
    check_site_of,
    end,
    end_by,
    explained,
    main,
    now,
    of_site,
    person,
    print_answer,
    to_text,
)

# Only enumerations: all else is imported by the command that needs it, since Arrow and Great
# Expectations take longer to import than the sync of a package that has not changed.
from oneroster_sync.sites.choices import DateOrder, Delimiter, Encoding, Profile, Scope
from oneroster_sync.standard.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync import Request

_PROFILES = click.Choice([p.value for p in Profile])
_KINDS = click.Choice([k.value for k in Kind])
_ENCODINGS = click.Choice([e.value for e in Encoding])
_DELIMITERS = click.Choice([d.value for d in Delimiter])
_DATE_ORDERS = click.Choice([o.value for o in DateOrder])


def _of_package(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument PACKAGE and the options for reading it to a command."""
    scopes = click.Choice([Scope.USERS.value, Scope.USERS_AND_COURSES.value])
    for option in (
        click.option("--kind", type=_KINDS, default=Kind.PACKAGE.value, show_default=True),
        click.option("--profile", type=_PROFILES),
        click.option("--scope", type=scopes),
        click.argument("package", type=click.Path()),
    ):
        command = option(command)
    return command


@main.command()
@of_site
@click.option("--admin", required=True, help="E-mail address of the administrator to credit.")
def init(site: str, admin: str, as_json: bool) -> None:
    """Create a site with one administrator and default preferences."""
    import oneroster_sync

    with explained():
        made = oneroster_sync.create_site(site, admin=admin, clock=now)
    words = (
        f"Site {site} is ready." if made else f"Site {site} exists already; nothing was changed."
    )
    print_answer({"site": site, "made": made}, words, as_json=as_json)


@main.command()
@of_site
@_of_package
def sync(
    site: str, package: str, scope: str | None, profile: str | None, kind: str, as_json: bool
) -> None:
    """Sync PACKAGE: a zip, a folder or a single CSV file."""
    if Kind(kind) is Kind.PACKAGE:
        from oneroster_sync.runs.repeat import Asked, sync_again

        # Look for an earlier run first: importing the other modules takes longer than this.
        found = Asked(
            site=site,
            package=str(Path(package).absolute()),
            requested_by=person(),
            scope=scope,
            profile=profile,
        )
        with explained():
            summary = sync_again(found, clock=now)
        if summary is not None:
            end_by(summary, as_json=as_json)
    import oneroster_sync

    with explained():
        asked = _request_for(site, package, scope, profile, kind)
        run = oneroster_sync.sync(asked, clock=now)
        # As the task record_removals of the DAG: the removals of a plan whose rest is applied are
        # held.
        waiting = oneroster_sync.pending_removals(run, str(uuid.uuid4()))
        removals = oneroster_sync.sync(waiting, clock=now) if waiting else None
    end(run, removals, as_json=as_json)


@main.command()
@of_site
@_of_package
def plan(
    site: str, package: str, scope: str | None, profile: str | None, kind: str, as_json: bool
) -> None:
    """Show what a sync of PACKAGE would do; nothing is changed."""
    from oneroster_sync import preview
    from oneroster_sync.stages.diff.plan import read_plan

    with explained():
        run = preview(_request_for(site, package, scope, profile, kind), clock=now)
        frozen = read_plan(run) if run.plan_hash else None
    summary = run.summary()
    summary["outcome"] = summary["outcome"] or (
        "no_changes" if frozen and frozen.is_empty() else "planned"
    )
    if frozen is not None:
        # A name with a dot is a table of links, which are no changes.
        summary["changes"] = {
            kind: table.to_pylist() for kind, table in frozen.tables().items() if "." not in kind
        }
    print_answer(summary, to_text(summary), as_json=as_json)
    sys.exit(EXIT_CODES.get(summary["outcome"], 0))


@main.command()
@of_site
@click.argument("package", type=click.Path())
@click.option("--profile", type=_PROFILES, default=Profile.TOLERANT.value)
@click.option("--encoding", type=_ENCODINGS, default=Encoding.UTF_8.value)
@click.option("--delimiter", type=_DELIMITERS, default=Delimiter.COMMA.value)
@click.option("--date-order", type=_DATE_ORDERS, default=DateOrder.ISO.value)
def validate(
    site: str,
    package: str,
    profile: str,
    encoding: str,
    delimiter: str,
    date_order: str,
    as_json: bool,
) -> None:
    """Validate PACKAGE with the suites; no database is needed and nothing is stored."""
    from oneroster_sync.operations.check import check_package
    from oneroster_sync.stages.extract.dialect import Dialect

    dialect = Dialect(Encoding(encoding), Delimiter(delimiter), DateOrder(date_order))
    with explained():
        checked = check_package(Path(package), Profile(profile), dialect)
    rows = checked.findings.table().to_pylist()
    errors = sum(row["severity"] == "error" for row in rows)
    summary = {
        "site": site,
        "outcome": "rejected"
        if checked.rejected
        else "succeeded_with_errors"
        if errors
        else "succeeded",
        "version": checked.named_version(),
        "rows": checked.rows,
        "findings": {"errors": errors, "warnings": len(rows) - errors},
        "list": rows,
    }
    numbers = f"{errors} errors, {len(rows) - errors} warnings"
    words = f"{_format_version(checked.named_version())}: {numbers}, {summary['outcome']}."
    print_answer(summary, words, as_json=as_json)
    sys.exit(REJECTED if checked.rejected else 0)


@main.command()
@of_site
@click.argument("a", metavar="PACKAGE_A", type=click.Path())
@click.argument("b", metavar="PACKAGE_B", type=click.Path())
@click.option("--profile", type=_PROFILES, default=Profile.TOLERANT.value)
@click.option("--encoding", type=_ENCODINGS, default=Encoding.UTF_8.value)
@click.option("--delimiter", type=_DELIMITERS, default=Delimiter.COMMA.value)
@click.option("--date-order", type=_DATE_ORDERS, default=DateOrder.ISO.value)
@click.option("--encoding-b", type=_ENCODINGS, help="For package B, if different.")
@click.option("--delimiter-b", type=_DELIMITERS, help="For package B, if different.")
@click.option("--date-order-b", type=_DATE_ORDERS, help="For package B, if different.")
@click.option("--list", "listed", is_flag=True, help="List the sourcedIds.")
@click.option("--exit-code", is_flag=True, help="Exit with 5 if the packages differ.")
def compare(
    site: str,
    a: str,
    b: str,
    profile: str,
    encoding: str,
    delimiter: str,
    date_order: str,
    encoding_b: str | None,
    delimiter_b: str | None,
    date_order_b: str | None,
    listed: bool,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Show the differences between two packages, staff only; no database is needed.

    Exit codes: 0 compared, 4 a package would be rejected, 5 with --exit-code: they differ.
    """
    from oneroster_sync.operations.compare import compare_packages
    from oneroster_sync.stages.extract.dialect import Dialect

    del site
    dialects = (
        Dialect(Encoding(encoding), Delimiter(delimiter), DateOrder(date_order)),
        Dialect(
            Encoding(encoding_b or encoding),
            Delimiter(delimiter_b or delimiter),
            DateOrder(date_order_b or date_order),
        ),
    )
    with explained():
        compared = compare_packages(Path(a), Path(b), Profile(profile), dialects)
    summary = compared.as_dict(listed=listed)
    print_answer(summary, _format_comparison(summary), as_json=as_json)
    if compared.is_rejected:
        sys.exit(REJECTED)
    sys.exit(DIFFERENT if exit_code and not compared.is_same else 0)


@main.command("compare-runs")
@of_site
@click.argument("run")
@click.argument("earlier", required=False)
def compare_runs_(site: str, run: str, earlier: str | None, as_json: bool) -> None:
    """Compare RUN with an EARLIER one: findings fixed and new, counts, plans.

    By default EARLIER is the previous run that read a package of the same kind.
    """
    from oneroster_sync import database
    from oneroster_sync.operations.run_comparison import compare_runs
    from oneroster_sync.runs import find

    del site
    check_site_of(run)
    if earlier is not None:
        check_site_of(earlier)
    with explained(), database.engine().connect() as connection:
        compared = compare_runs(connection, find(run), earlier)
    print_answer(compared.as_dict(), "\n".join(compared.to_lines()), as_json=as_json)


@main.command()
@of_site
@click.argument("run")
@click.option("--hash", "plan_hash", help="Hash of the plan to approve.")
@click.option("--reason", default="", help="For the audit.")
def approve(site: str, run: str, plan_hash: str | None, reason: str, as_json: bool) -> None:
    """Approve the plan of a held RUN and apply it."""
    import oneroster_sync

    del site
    check_site_of(run)
    with explained():
        approved = oneroster_sync.approve(
            run, by=person(), clock=now, plan_hash=plan_hash, reason=reason
        )
        end(approved, as_json=as_json)


@main.command()
@of_site
@click.argument("run")
@click.option("--reason", default="", help="For the audit.")
def discard(site: str, run: str, reason: str, as_json: bool) -> None:
    """Discard the plan of a held RUN."""
    import oneroster_sync

    del site
    check_site_of(run)
    with explained():
        discarded = oneroster_sync.discard(run, by=person(), clock=now, reason=reason)
        end(discarded, as_json=as_json)


@main.command()
@of_site
@click.argument("run")
@click.option(
    "--kind", type=click.Choice(["user", "course", "assignment"]), help="Of one kind only."
)
@click.option("--record", metavar="SOURCEDID", help="Of one user or course, with its assignments.")
@click.option("--changed-too", is_flag=True, help="Also records that changed again since.")
def undo(
    site: str, run: str, kind: str | None, record: str | None, changed_too: bool, as_json: bool
) -> None:
    """Undo the changes of RUN, with guards and review like any sync."""
    import oneroster_sync
    from oneroster_sync import Part

    with explained():
        request = replace(
            # An undo reads no package.
            _request_for(site, "", None, None, Kind.PACKAGE.value),
            undoes=run,
            undo_of=Part(kind, record, changed_too),
        )
        done, left = oneroster_sync.undo(request, clock=now)
    for untouched in left:
        click.echo(f"left alone: {untouched}", err=True)
    end(done, as_json=as_json)


def _request_for(
    site: str, package: str, scope: str | None, profile: str | None, kind: str
) -> Request:
    from oneroster_sync import Request

    return Request(
        site=site,
        package=str(Path(package).absolute()),
        requested_by=person(),
        kind=Kind(kind),
        scope=Scope(scope) if scope else None,
        profile=Profile(profile) if profile else None,
    )


def _format_version(version: str | None) -> str:
    return f"OneRoster {version}" if version else "The version of OneRoster is unknown"


def _format_comparison(summary: dict[str, Any]) -> str:
    """Format the differences between two packages: a line for each file and each of its lists."""
    lines = []
    for letter in ("a", "b"):
        about = summary[letter]
        counted = ", ".join(f"{number:,} {word}" for word, number in about["findings"].items())
        ending = ", rejected" if about["rejected"] else ""
        version = _format_version(about["version"])
        lines.append(f"{letter.upper()}: {version}: {counted}{ending}.")
    for name, file in summary["files"].items():
        lines.append(f"{name}.csv: {_format_file(file)}.")
        for what, named in file.get("list", {}).items():
            for column, ids in named.items() if isinstance(named, dict) else ((None, named),):
                each = [
                    f"{one['old']} → {one['new']}" if what == "ids_changed" else one for one in ids
                ]
                label = f"{_COMPARED[what]} {column or ''}".rstrip()
                lines.extend([f"  {label}: {', '.join(each)}"] if each else [])
    ends = {
        "same": "The packages are the same.",
        "different": "The packages differ.",
        "rejected": "A package can't be used; oneroster validate says why.",
    }
    return "\n".join([*lines, ends[summary["outcome"]]])


_COMPARED = {
    "only_in_a": "only in A",
    "only_in_b": "only in B",
    "usable_only_in_a": "with an error in B only",
    "usable_only_in_b": "with an error in A only",
    "changed": "changed",
    "ids_changed": "with another sourcedId",
}
"""Name in the JSON → label for people."""


def _format_file(file: dict[str, Any]) -> str:
    modes = [file["modes"][letter] for letter in ("a", "b")]
    if not file["compared"]:
        return f"not compared, because it is {modes[0]} in A and {modes[1]} in B"
    parts = [f"{file[what]:,} {label}" for what, label in _COMPARED.items() if file[what]]
    if modes[0] != modes[1]:
        parts.insert(0, f"{modes[0]} in A and {modes[1]} in B")
    if file["columns"]:
        columns = ", ".join(f"{column} {count:,}" for column, count in file["columns"].items())
        parts.append(f"by column: {columns}")
    for letter in ("a", "b"):
        if file[f"columns_only_in_{letter}"]:
            columns = ", ".join(file[f"columns_only_in_{letter}"])
            parts.append(f"columns only in {letter.upper()}: {columns}")
    if file["unusable"]["a"] or file["unusable"]["b"]:
        parts.append(
            f"rows with errors: {file['unusable']['a']:,} in A, {file['unusable']['b']:,} in B"
        )
    rows = f"{file['rows']['a']:,} rows in A, {file['rows']['b']:,} in B"
    return "; ".join([rows, *(["the same"] if file["same"] else []), *parts])
