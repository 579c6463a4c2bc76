"""Many `oneroster` commands after a single start of Python and its libraries.

Each command is a fork of a process that has already loaded pandas and Great Expectations.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORKS = """
import gc, importlib, json, os, sys
from oneroster_sync.stages.validate import gx_loader
gx_loader.load()
for name in ("cli", "pipeline", "stages.validate.gx_runner"):
    importlib.import_module(f"oneroster_sync.{name}")
gc.freeze()
for words in iter(sys.stdin.readline, ""):
    reader, writer = os.pipe()
    if not os.fork():
        os.dup2(writer, 1)
        try:
            sys.modules["oneroster_sync.cli"].main(json.loads(words))
        finally:
            sys.stdout.flush()
            os._exit(0)  # what was loaded need not be taken apart again
    os.close(writer)
    with os.fdopen(reader) as printed:
        print(json.dumps(printed.read()), flush=True)
    os.wait()
"""


class CommandLine:
    """The command line in one environment, until `end` is called."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start the process that loads everything."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKS],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *words: object) -> Any:
        """Run `oneroster -q WORDS --json` and return its parsed output."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps(["-q", *map(str, words), "--json"])
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        printed = json.loads(self._process.stdout.readline())
        assert printed, f"oneroster {' '.join(map(str, words))} printed nothing"
        return json.loads(printed)

    def end(self) -> None:
        """End the process by closing its input."""
        self._process.communicate()
