"""docker-compose.yaml as Compose reads it, and its services as processes of this machine.

    file = read({"ADMIN_PASSWORD": "…", …})
    file["services"]["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"]

`Services` runs what the file says: each service's own command, environment and health check, with
folders of its own in place of the image's and of the volumes. Nothing but addresses and paths is
put in another's place.
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
    """Compose would refuse the file: a variable that is required is not set."""


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the file with its variables put in, as Compose does it.

    Raises:
        MissingVariableError: A required variable is not set.
    """
    found: dict[str, Any] = _filled(yaml.safe_load(COMPOSE.read_text("utf-8")), variables)
    for service in found["services"].values():
        environment = service.get("environment", {})
        for name in [name for name, value in environment.items() if value is None]:
            del environment[name]  # it is handed on, where it is set
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
    """Return a text with its variables put in.

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
    """Make .env in a folder by the command that .env.example gives, and return what it holds."""
    (command,) = re.findall(r"(?m)^# +(\(umask 077; awk .*)$", OFFERED.read_text("utf-8"))
    (folder / OFFERED.name).write_bytes(OFFERED.read_bytes())
    subprocess.run(["/bin/sh", "-euc", command], cwd=folder, check=True)
    return variables_of((folder / ".env").read_text("utf-8"))


def variables_of(text: str) -> dict[str, str]:
    """Return the variables of an env file that are set."""
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
    """The services of the file as processes, each with a home and a working folder of its own.

    Attributes:
        folder: In which each process has a folder.
        file: As `read` returns it.
        places: What stands in the file → what it is here, for addresses.
        settings: What is set besides, so that tests wait less.
    """

    folder: Path
    file: dict[str, Any]
    places: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def home(self, name: str) -> Path:
        """Return the folder of a process, which nobody else uses."""
        return self.folder / name

    def environment(self, service: str, name: str | None = None) -> dict[str, str]:
        """Return the environment of a process of a service, and of nothing of this one's."""
        told = self.file["services"][service]
        ours = image_environment() if told.get("image") == OURS else {}
        name = name or service
        values = {k: self._here(str(v), name) for k, v in {**ours, **told["environment"]}.items()}
        for part in ("bin", "tmp", "work", "airflow", "home", "logs", "storage"):
            (self.home(name) / part).mkdir(parents=True, exist_ok=True)
        # Each container has a host name of its own; processes of one machine share theirs.
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
        """Run a command, or that of the service, as `docker compose run` does, to its end."""
        told = list(command) or self.file["services"][service]["command"]
        environment = self.environment(service, name)
        done = subprocess.run(
            self._command(told, name or service),
            cwd=self.home(name or service) / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{told}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def is_healthy(self, service: str, name: str | None = None) -> bool:
        """Tell what the service's health check says of a process."""
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
        """Tell whether a process that was started has not ended."""
        return self.running[name].poll() is None

    def kill(self, name: str) -> None:
        """End a process and all that it started, as the death of its machine does."""
        victim = self.running.pop(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(victim.pid)
            kill([process, *process.children(recursive=True)])
        victim.wait(_STOP_S)

    def stop(self) -> None:
        """Ask all processes to end, and see to it that they do."""
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
        """Return what a process wrote."""
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
