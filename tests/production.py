"""Production as an operator runs it: a checkout, its .env, and real containers.

    there = Production.clone(folder)
    there.start()

`docker` is the program tests/containers/docker.py, which runs the commands of the guide with
podman. Images are those of `make containers`. The machine's own podman is neither read nor changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

import composed
from composed import PROJECT
from live import Person, wait_for
from receivers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONTAINERS = PROJECT / "build" / "containers"
"""Folder in which `make containers` keeps images, networks, volumes and podman-compose."""
MISSING = "there are no images of containers here: run make containers, which says what it lacks"
SERVICES = ("postgres", "redis", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
NEVER_STARTED = (("e46bb44", "d2cde59"),)
"""From the one commit until before the other, no service could write to its folder in memory."""
HISTORY_MISSING = (
    "an upgrade begins with an older version, and git has none here: git fetch --unshallow --tags"
)
_SHIM = PROJECT / "tests" / "containers" / "docker.py"
_HEALTHY_S = 240


def older_version(project: Path, never_started: Iterable[tuple[str, str]] = NEVER_STARTED) -> str:
    """Return git's name of the version from which an operator upgrades to a checkout's HEAD.

    That is the newest release before it. Without a tag of one, it is the last commit before
    pyproject.toml got its version, or the last before that which started.
    """
    tags = _git(project, "tag", "--merged", "HEAD^", "--sort=-version:refname").split()
    if releases := [tag for tag in tags if re.fullmatch(r"v[0-9]+(\.[0-9]+)+", tag)]:
        return releases[0]
    raised = _git(project, "log", "-1", "--format=%h", "-G^version = ", "--", "pyproject.toml")
    older = _git(project, "rev-parse", "--short", f"{raised}^")
    for first, mended in never_started:
        if older in _git(project, "log", "--format=%h", f"{first}^..{mended}^").split():
            older = _git(project, "rev-parse", "--short", f"{first}^")
    return older


def _git(project: Path, *words: str) -> str:
    git = str(shutil.which("git"))
    done = subprocess.run([git, *words], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{HISTORY_MISSING}: {done.stderr}"
    return done.stdout.strip()


@dataclass
class Production:
    """One operator's machine.

    Attributes:
        origin: The repository that the checkout pulls from.
        folder: The checkout.
        port: The port of the API server.
    """

    origin: Path
    folder: Path
    port: int
    _environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def clone(cls, work: Path, archive: str = "", *, umask: str = "022") -> Production:
        """Make a repository with one commit, and clone it.

        Args:
            work: An empty folder.
            archive: A command that packs the files to commit; by default this checkout as it is.
            umask: The operator's umask.
        """
        assert (CONTAINERS / ".done").exists(), MISSING
        there = cls(work / "origin", work / "checkout", free_port())
        (work / "bin").mkdir()
        shim = work / "bin" / "docker"
        program = shutil.copy(_SHIM, work / "docker.py")
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n', "utf-8")
        shim.chmod(0o755)
        there._environment = {
            **os.environ,
            "PATH": f"{shim.parent}:{CONTAINERS / 'venv' / 'bin'}:{os.environ['PATH']}",
            "CONTAINERS_CONF": str(CONTAINERS / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(CONTAINERS / "storage.conf"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_NAME": "Operator" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "operator@example.org" for who in ("AUTHOR", "COMMITTER")},
        }
        there.remove()  # left by an earlier test
        there.origin.mkdir()
        there._sh("git init -q -b main", there.origin)
        there.release(archive)
        there._sh(f"umask {umask}; git clone -q {there.origin} {there.folder}", work)
        there._tag_stand_ins()
        return there

    def release(self, archive: str = "") -> None:
        """Commit new files to the repository: what a command packs, or this checkout."""
        self._sh("git rm -rqf --ignore-unmatch .", self.origin)
        ours = "git ls-files -z --cached --others --exclude-standard | tar -c --null -T -"
        self._sh(f"{archive or f'(cd {PROJECT} && {ours})'} | tar -x", self.origin)
        self._sh("git add -A && git commit -q -m Release", self.origin)

    def sh(self, *blocks: str) -> str:
        """Run shell blocks of the guide in the checkout, and return their output."""
        return "".join(self._sh(block, self.folder) for block in blocks)

    def _sh(self, script: str, folder: Path) -> str:
        return self._done("/bin/sh", "-euc", script, folder=folder)

    def _done(self, *words: str, folder: Path | None = None) -> str:
        done = self._run(*words, folder=folder)
        message = f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        assert done.returncode == 0, message
        return done.stdout

    def _run(self, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=folder or self.folder.parent,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def guide(self, heading: str) -> list[str]:
        """Return the shell blocks of a section of the checkout's guide to production."""
        page = (self.folder / "docs" / "guide" / "production.md").read_text("utf-8")
        (section,) = re.findall(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page)
        return re.findall(r"(?ms)^```sh\n(.*?)^```", section)

    def start(self) -> None:
        """Follow the guide from the start to a site whose services are all healthy."""
        make_env, up, _logs = self.guide("Start it")
        self.sh(make_env)
        self.set("LISTEN", f"127.0.0.1:{self.port}")
        self.sh(up)
        self.wait_until_healthy()
        self.sh(self.guide("The first sync")[0])

    def set(self, name: str, value: str) -> None:
        """Change the value of a variable in .env."""
        file = self.folder / ".env"
        text = re.sub(rf"(?m)^{name}=.*$", f"{name}={value}", file.read_text("utf-8"))
        file.write_text(text, "utf-8")

    def variables(self) -> dict[str, str]:
        """Return the variables of .env."""
        return composed.variables_of((self.folder / ".env").read_text("utf-8"))

    def _tag_stand_ins(self) -> None:
        """Tag the stand-ins with the tags that the checkout's files name, which may be older."""
        names = r"\b(python|postgres|redis):([0-9][a-z0-9.]*-[a-z-]+)"
        files = (self.folder / name for name in ("Dockerfile", "docker-compose.yaml"))
        text = "".join(file.read_text("utf-8") for file in files)
        for name, tag in set(re.findall(names, text)):
            stand_in = self.podman("images", "--format", "{{.ID}}", f"docker.io/library/{name}")
            self.podman("tag", stand_in.split()[0], f"docker.io/library/{name}:{tag}")

    def podman(self, *words: str) -> str:
        """Run a podman command and return its output."""
        return self._done("podman", *words).strip()

    def containers(self, service: str | None = None) -> dict[str, str]:
        """Return container name → state."""
        label = f"com.docker.compose.service{f'={service}' if service else ''}"
        table = self.podman(
            "ps", "-a", "--filter", f"label={label}", "--format", "{{.Names}} {{.State}}"
        )
        return dict(line.split(maxsplit=1) for line in table.splitlines())

    def is_healthy(self, container: str) -> bool:
        """Return whether the health check of a container passes."""
        return self._run("podman", "healthcheck", "run", container).returncode == 0

    def wait_until_healthy(self) -> list[str]:
        """Wait until each service's containers are healthy, and return the containers' names.

        The health check of an older version's worker needs HOSTNAME, which Docker sets and podman
        does not. A successful sync shows that such a worker is healthy.
        """
        compose = (self.folder / "docker-compose.yaml").read_text("utf-8")
        wanted = [name for service in SERVICES for name in self.containers(service)]
        assert len(wanted) == len(SERVICES) + 1, wanted
        limit = time.monotonic() + _HEALTHY_S
        for name in wanted:
            if "$$HOSTNAME" in compose and "worker" in name:
                continue
            while not self.is_healthy(name):
                assert time.monotonic() < limit, (
                    f"{name}: {self.podman('logs', '--tail', '60', name)}"
                )
                time.sleep(1)
        return wanted

    @property
    def url(self) -> str:
        """Base URL of the API server."""
        return f"http://127.0.0.1:{self.port}"

    def person(self) -> Person:
        """Return an API client that is logged in as the first administrator."""
        given = self.variables()
        login = {"username": given["ADMIN_USERNAME"], "password": given["ADMIN_PASSWORD"]}
        answer = httpx.post(f"{self.url}/auth/token", json=login, timeout=60, trust_env=False)
        return Person(self.url, answer.raise_for_status().json()["access_token"])

    def follow(self, person: Person, run_id: str, within_s: float = 180) -> dict[str, Any]:
        """Wait for a run to end, and return it."""

        def ended() -> dict[str, Any] | None:
            answer = person.send("GET", f"runs/{run_id}")
            found: dict[str, Any] = answer.json() if answer.is_success else {}
            return found if found.get("outcome") else None

        return wait_for(ended, within_s=within_s)

    def psql(self, query: str, database: str = "roster") -> list[list[str]]:
        """Run a query as the database's superuser and return the rows."""
        words = ("compose", "exec", "-T", "postgres", "psql", "--username", "postgres")
        ask = ("--dbname", database, "--tuples-only", "--no-align", "--command", query)
        output = self._done("docker", *words, *ask, folder=self.folder)
        return [line.split("|") for line in output.splitlines() if line]

    def hold(self, statements: str) -> subprocess.Popen[str]:
        """Begin a transaction in the roster database; it stays open until psql is killed."""
        (postgres,) = self.containers("postgres")
        words = ("podman", "exec", postgres, "psql", "--username", "postgres", "--dbname", "roster")
        return subprocess.Popen(
            [*words, "--command", f"begin; {statements}"],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def hostname(self, container: str) -> str:
        """Return the hostname inside a container."""
        return self.podman("inspect", container, "--format", "{{.Config.Hostname}}")

    def processes(self, container: str) -> Iterator[dict[str, str]]:
        """Yield the fields of /proc/PID/status for each process in a container."""
        pids = self.podman("top", container, "hpid").split()[1:]
        for pid in pids:
            try:
                text = Path(f"/proc/{pid}/status").read_text("utf-8")
            except FileNotFoundError:
                continue  # it has ended meanwhile
            yield dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def remove(self) -> None:
        """Remove containers, networks, volumes and the checkout; images of the stand-ins stay."""
        self.podman("rm", "--all", "--force", "--time", "5")
        self.podman("volume", "prune", "--force")
        # A server that is being killed may still write, and then a part of its volume stays.
        for left in (CONTAINERS / "volumes").glob("oneroster_*"):
            shutil.rmtree(left)
        for network in self.podman("network", "ls", "--format", "{{.Name}}").split():
            if network.startswith("oneroster"):
                self.podman("network", "rm", "--force", network)
        shutil.rmtree(self.folder, ignore_errors=True)
