"""What the commands of this package tell a person: progress on stderr, results on stdout."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


def tell(line: str) -> None:
    """Print a line about what is going on."""
    click.echo(line, err=True)


@contextmanager
def step(name: str, done: str = "ready") -> Iterator[None]:
    """Print the name at once, and how long the block took when it ends well."""
    click.echo(f"{name} … ", err=True, nl=False)
    sys.stderr.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        click.echo("", err=True)
        raise
    click.echo(f"{done} in {time.monotonic() - began:.1f} s", err=True)
