"""Read docker-compose.yaml as Compose does, and run its services as processes of this machine.

    file = read({"ADMIN_PASSWORD": "…", …})
    file["services"]["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"]

`Services` uses the command, the environment and the health check of each service in the file. Only
addresses and paths are replaced: each service has its own folders instead of those of the image and
of the volumes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from oneroster_sync.database.embedded.processes import kill

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parents[1]
COMPOSE, DOCKERFILE = PROJECT / "docker-compose.yaml", PROJECT / "Dockerfile"
OFFERED = PROJECT / ".env.example"
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
OURS = f"oneroster-sync:{VERSION}"
"""The image that the project builds."""

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Z_0-9]+)(?:(:[-?])((?:[^${}]|\$\$|\$\{[^{}]*\})*))?\})")
_STOP_S = 20


class MissingVariableError(Exception):
    """A required variable is not set: Compose would refuse the file."""


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the file with its variables filled in, as Compose does.

    Raises:
        MissingVariableError: A required variable is not set.
    """
    found: dict[str, Any] = _filled(yaml.safe_load(COMPOSE.read_text("utf-8")), variables)
    for service in found["services"].values():
        environment = service.get("environment", {})
        for name in [name for name, value in environment.items() if value is None]:
            del environment[name]  # Compose hands on the variable only if it is set
            if name in variables:
                environment[name] = variables[name]
    return found


def _filled(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, variables) for value in node]
    return filled(node, variables) if isinstance(node, str) else node


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables filled in.

    Raises:
        MissingVariableError: A required variable is not set.
    """

    def put(match: re.Match[str]) -> str:
        name, kind, other = match.groups()
        if name is None:
            return "$"
        if value := variables.get(name):
            return value
        if kind == ":?":
            raise MissingVariableError(name)
        return filled(other or "", variables)

    return _VARIABLE.sub(put, text)


def make_env(folder: Path) -> dict[str, str]:
    """Create .env in a folder with the command from .env.example, and return its variables."""
    (command,) = re.findall(r"(?m)^# +(\(umask 077; awk .*)$", OFFERED.read_text("utf-8"))
    (folder / OFFERED.name).write_bytes(OFFERED.read_bytes())
    subprocess.run(["/bin/sh", "-euc", command], cwd=folder, check=True)
    return variables_of((folder / ".env").read_text("utf-8"))


def variables_of(text: str) -> dict[str, str]:
    """Return the variables that an env file sets."""
    found: dict[str, str] = {}
    for name, value in re.findall(r"(?m)^([A-Z_0-9]+)=(.*)$", text):
        found[name] = filled(value, found)
    return found


def image_environment() -> dict[str, str]:
    """Return the environment that the Dockerfile sets."""
    text = DOCKERFILE.read_text("utf-8").replace("\\\n", " ")
    words = [word for line in re.findall(r"(?m)^ENV (.*)$", text) for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


@dataclass
class Services:
    """The services of the file as processes, each with its own home and working folder.

    Attributes:
        folder: Contains one folder for each process.
        file: The result of `read`.
        places: Address in the file → address on this machine.
        settings: More settings, so that tests wait less.
    """

    folder: Path
    file: dict[str, Any]
    places: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def home(self, name: str) -> Path:
        """Return the folder that only this process uses."""
        return self.folder / name

    def environment(self, service: str, name: str | None = None) -> dict[str, str]:
        """Return the environment of a service's process, without the variables of this process."""
        definition = self.file["services"][service]
        ours = image_environment() if definition.get("image") == OURS else {}
        name = name or service
        values = {
            k: self._here(str(v), name) for k, v in {**ours, **definition["environment"]}.items()
        }
        for part in ("bin", "tmp", "work", "airflow", "home", "logs", "storage"):
            (self.home(name) / part).mkdir(parents=True, exist_ok=True)
        # Each container has its own host name; processes of one machine share one.
        hostname = self.home(name) / "bin" / "hostname"
        hostname.write_text(f"#!/bin/sh\necho {name}\n", "utf-8")
        hostname.chmod(0o755)
        return {
            **values,
            **(self.settings if ours else {}),
            "PATH": f"{hostname.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home(name)),
            "TMPDIR": str(self.home(name) / "tmp"),
            "HOSTNAME": name,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def start(self, service: str, name: str | None = None, *more: str) -> None:
        """Start a process of a service by its command."""
        name = name or service
        environment = self.environment(service, name)
        command = [*self._command(self.file["services"][service]["command"], name), *more]
        with self.log_file(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=self.home(name) / "work",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, service: str, *command: str, name: str | None = None) -> str:
        """Run a command, or the service's own one, to its end, as `docker compose run` does."""
        words = list(command) or self.file["services"][service]["command"]
        environment = self.environment(service, name)
        done = subprocess.run(
            self._command(words, name or service),
            cwd=self.home(name or service) / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def is_healthy(self, service: str, name: str | None = None) -> bool:
        """Return whether the service's health check succeeds for a process."""
        kind, *words = self.file["services"][service]["healthcheck"]["test"]
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        return (
            subprocess.run(
                self._command(command, name or service),
                cwd=self.home(name or service) / "work",
                env=self.environment(service, name),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            ).returncode
            == 0
        )

    def is_running(self, name: str) -> bool:
        """Return whether a started process is still running."""
        return self.running[name].poll() is None

    def kill(self, name: str) -> None:
        """Kill a process and its children, as if its machine died."""
        victim = self.running.pop(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(victim.pid)
            kill([process, *process.children(recursive=True)])
        victim.wait(_STOP_S)

    def stop(self) -> None:
        """Ask all processes to end, and kill those that don't."""
        found = []
        for each in self.running.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(each.pid)
                found += [process, *process.children(recursive=True)]
            each.terminate()
        psutil.wait_procs(found, timeout=_STOP_S)
        kill(found)
        for each in self.running.values():
            each.wait(_STOP_S)
        self.running.clear()

    def log_file(self, name: str) -> Path:
        """Return the path of a process's log."""
        return self.folder / f"{name}.log"

    def _command(self, words: list[str], name: str) -> list[str]:
        return [self._here(word, name) for word in words]

    def _here(self, text: str, name: str) -> str:
        places = {
            **self.places,
            "/opt/oneroster": str(PROJECT),
            "/var/lib/oneroster": str(self.home(name)),
        }
        for there, here in places.items():
            text = text.replace(there, here)
        return text
