"""Console output of this package's commands: progress on stderr, results on stdout."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


def print_line(line: str) -> None:
    """Print a line to stderr."""
    click.echo(line, err=True)


@contextmanager
def step(name: str, done: str = "ready") -> Iterator[None]:
    """Print the name before the block, and the duration of the block if it succeeds."""
    click.echo(f"{name} … ", err=True, nl=False)
    sys.stderr.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        click.echo("", err=True)
        raise
    click.echo(f"{done} in {time.monotonic() - began:.1f} s", err=True)
