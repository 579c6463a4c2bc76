"""`python -m oneroster_sync.local`: the commands behind `make up`, `down`, `status` and `demo`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from oneroster_sync import settings
from oneroster_sync.database.embedded import LocalError, postgres
from oneroster_sync.local import airflow, runner
from oneroster_sync.local.airflow_api import Api
from oneroster_sync.local.console import print_line, step
from oneroster_sync.local.demo import demonstrate, make_site
from oneroster_sync.local.environment import USERS, environment, logs, passwords_file

if TYPE_CHECKING:
    from types import FrameType


@click.group()
def main() -> None:
    """Run the embedded Airflow and PostgreSQL of this project."""
    # Treat SIGTERM as Ctrl-C, so that the same clean-up runs.
    signal.signal(signal.SIGTERM, _interrupt)


@main.command()
@click.option(
    "--port",
    envvar="PORT",
    type=click.IntRange(1, 65535),
    default=airflow.DEFAULT_PORT,
    show_default=True,
)
def up(port: int) -> None:
    """Start Airflow with its UI, and leave it running."""
    home = settings.home()
    running = airflow.up(home, port, prepare=make_site)
    if running.was_running:
        print_line("Airflow is running already.")
        if running.port != port:
            print_line(
                f"It has port {running.port}; to change that: make down, PORT={port} make up"
            )
    click.echo(running.url)
    if running.new_passwords:
        print_line("Passwords, shown only once:")
        for user, password in running.new_passwords.items():
            print_line(f"  {user:<7} {password}")
    print_line(f"Log in as {', '.join(USERS)}; passwords: {passwords_file(running.environment)}")
    print_line(f"Logs: {logs(home)}")
    print_line("Stop it with: make down")


@main.command()
def down() -> None:
    """Stop everything that `up` started."""
    home = settings.home().resolve()
    if not runner.members(home) and not postgres.is_running(home):
        print_line("Nothing is running.")
        return
    with step("Airflow and PostgreSQL", "stopped"):
        airflow.down(home)


@main.command()
def status() -> None:
    """Show what is running; exit with 1 unless everything is healthy."""
    home = settings.home().resolve()
    states = {"postgresql": "healthy" if postgres.is_running(home) else "not running"}
    port = airflow.port_of(home)
    if port is not None and runner.is_running(home):
        with Api(airflow.origin(port)) as api:
            states |= api.health() if api.is_up() else {"api_server": "not answering"}
            click.echo(airflow.origin(port))
    else:
        states["airflow"] = "not running"
    for name, state in states.items():
        click.echo(f"{name:<16} {state}")
    kept = passwords_file(environment(home, port or airflow.DEFAULT_PORT))
    if kept.exists():
        print_line(f"The passwords of the accounts are in {kept}")
    sys.exit(any(state != "healthy" for state in states.values()))


@main.command()
def demo() -> None:
    """Sync a sample district with the real DAG in a separate Airflow."""
    sys.exit(not demonstrate(settings.home() / "demo"))


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        main()
    except LocalError as error:
        print_line(f"Error: {error}")
        sys.exit(1)
