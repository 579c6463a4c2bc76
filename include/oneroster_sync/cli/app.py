"""The parts that all commands share: the group, common options, errors and output."""

from __future__ import annotations

import datetime as dt
import functools
import gc
import getpass
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from oneroster_sync.identifiers import EXPECTED, is_site_name
from oneroster_sync.provider_info import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync.runs import Run

FAILED, HELD, REJECTED, DIFFERENT = 1, 3, 4, 5
EXIT_CODES = {"held": HELD, "rejected": REJECTED, "failed": FAILED, "superseded": FAILED}
"""Outcome → exit code; 0 for all others."""


class _Console(logging.Handler):
    """Write log lines to stderr, looked up at each line since tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one log line."""
        click.echo(f"{record.levelname:<7} {record.getMessage()}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="oneroster")
@click.option("-q", "--quiet", is_flag=True, help="Don't log the run to stderr.")
def main(quiet: bool) -> None:
    """Sync a roster with a OneRoster export."""
    logger = logging.getLogger("oneroster")
    # Replaced and not added, because one process may run several commands.
    logger.handlers = [_Console()]
    # A level that stays would silence the next command of this process.
    click.get_current_context().call_on_close(functools.partial(logger.setLevel, logger.level))
    logger.setLevel(logging.CRITICAL if quiet else logging.INFO)
    restore = functools.partial(gc.set_threshold, *gc.get_threshold())
    click.get_current_context().call_on_close(restore)
    collect_seldom()


def collect_seldom() -> None:
    """Let the garbage collector run a hundred times less often in this process.

    A command imports a thousand modules and ends soon. Python's default looks for cycles after each
    700 new objects, which was a sixth of the time of our imports and found nothing.
    """
    gc.set_threshold(70_000, 10, 10)


def a_site(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    """Return the name of a site after checking it; a click callback.

    Raises:
        click.BadParameter: The name is not valid for a site.
    """
    if not is_site_name(name):
        raise click.BadParameter(f"{name!r} can't be the name of a site: that is {EXPECTED}")
    return name


def of_site(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options `--site` and `--json` to a command."""
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(
        command
    )
    whose = click.option(
        "--site", default="default", show_default=True, callback=a_site, help="The site."
    )
    return whose(command)


def check_site_of(run: str) -> None:
    """Check that a run belongs to the site of `--site`, if this option was given.

    Raises:
        click.ClickException: The run belongs to another site, or does not exist.
    """
    from click.core import ParameterSource

    from oneroster_sync.runs import find

    context = click.get_current_context()
    # A run id says its site, so the default of --site must not refuse a run of another one.
    given = context.get_parameter_source("site") is not ParameterSource.DEFAULT
    with explained():
        found = find(run)
    if given and found.site != context.params["site"]:
        message = f"there is no run {run} of site {context.params['site']}; see: oneroster history"
        raise click.ClickException(message)


class explained:  # noqa: N801  reads as a statement
    """Show errors that a person can fix as one sentence, with exit code 1 (or 2 for usage)."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        """Raise errors of the product and of validation as click's exceptions."""
        # Errors and pydantic are imported when there is an error: a repeated sync needs neither.
        from oneroster_sync.errors import OneRosterError

        if isinstance(error, Exception) and not isinstance(error, click.ClickException):
            from pydantic import ValidationError

            if isinstance(error, OneRosterError):
                raise click.ClickException(_seen(str(error))) from error
            if isinstance(error, ValidationError):
                raise click.UsageError(_seen(str(error))) from error


def end(run: Run, removals: Run | None = None, *, as_json: bool) -> None:
    """Print the outcome of a run and of its follow-up run with removals, and exit with its code."""
    end_by(run.summary(), removals, as_json=as_json)


def end_by(summary: dict[str, Any], removals: Run | None = None, *, as_json: bool) -> None:
    """Print a run's summary, with that of its removals, and exit with the code of the outcome."""
    words, outcome = to_text(summary), summary["outcome"]
    if removals is not None:
        summary["removals"] = removals.summary()
        words += f"\nIts removals:\n{to_text(summary['removals'])}"
        # The held rest needs a person, so its outcome gives the exit code.
        outcome = summary["removals"]["outcome"]
    print_answer(summary, words, as_json=as_json)
    sys.exit(EXIT_CODES.get(outcome, 0))


def to_text(summary: dict[str, Any]) -> str:
    """Format the summary of a run in a few lines."""
    from oneroster_sync.runs.counts import format_counts, format_left_out

    counts = summary["counts"] or {}
    parts = [f"{summary['run_id']} {summary['started_at'][:16]} {summary['outcome']}"]
    for kind, numbers in counts.items():
        counted = ", ".join(f"{n:,} {format_counts(word)}" for word, n in numbers.items() if n)
        parts.append(f"{kind}: {counted or 'nothing'}")
    if summary.get("withheld"):
        parts.append(format_left_out(summary["withheld"]))
    parts.extend(summary["reasons"])
    return "\n  ".join(parts)


def print_answer(value: dict[str, Any], words: str, *, as_json: bool) -> None:
    """Print an answer: `value` as JSON for a program, or `words` for a person."""
    # JSON needs no escaping: json.dumps escapes control characters, and all but ASCII.
    click.echo(json.dumps(value, default=str) if as_json else _seen(words))


def _seen(words: str) -> str:
    """Return a text with control and invisible characters as escapes, safe for a terminal."""
    from oneroster_sync.findings.text import shown

    return "\n".join(map(shown, words.split("\n")))


def person() -> str:
    """Return the user of the command line, for the audit."""
    return f"{getpass.getuser()} on the command line"


def now() -> dt.datetime:
    """Return the current time in UTC."""
    return dt.datetime.now(dt.UTC)
