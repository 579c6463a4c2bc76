"""End the children of dead parts and restart PostgreSQL, which supervisord does not do.

The children of a killed part continue and would run its tasks beside those of its successor.
PostgreSQL is not a child of the runner, because it must outlive the runner. supervisord runs this
module as an event listener and sends it an event at each exit of a part, and every five seconds.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TextIO

from oneroster_sync.database.embedded import LocalError, postgres
from oneroster_sync.database.embedded.processes import kill
from oneroster_sync.local import runner
from oneroster_sync.local.environment import needs_postgres

log = logging.getLogger(__name__)


def listen(home: Path, events: TextIO, answers: TextIO, *, keeps_postgres: bool) -> None:
    """Answer the events of supervisord until it closes the pipe."""
    while True:
        answers.write("READY\n")
        answers.flush()
        header = dict(field.split(":", 1) for field in events.readline().split())
        if not header:
            return
        # The content is not needed: the state of all processes is read anew, whatever has happened.
        events.read(int(header["len"]))
        if not header["eventname"].startswith("TICK"):
            _end_orphans(home)
        elif keeps_postgres:
            _keep_postgres(home)
        answers.write("RESULT 2\nOK")
        answers.flush()


def _end_orphans(home: Path) -> None:
    if left := runner.orphans(home):
        log.warning("ended the children of a dead part: %s", [process.pid for process in left])
        kill(left)


def _keep_postgres(home: Path) -> None:
    try:
        if not postgres.is_running(home) and postgres.start(home):
            log.warning("PostgreSQL had ended and was started again")
    except LocalError:
        log.exception("PostgreSQL has ended and does not start; trying again")


def main() -> None:
    """Listen to the events of the runner of the home named in the command line."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    home = Path(sys.argv[1])
    listen(home, sys.stdin, sys.stdout, keeps_postgres=needs_postgres(home, os.environ))


if __name__ == "__main__":
    main()
