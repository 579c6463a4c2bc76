"""The command `docker` on top of podman: tests run the `docker compose …` commands of the guide.

    python docker.py compose up --detach --build

podman-compose reads docker-compose.yaml and makes networks, volumes and containers. podman 4.3
cannot do the rest of Compose without systemd, so this module does it: it starts services in the
order of `depends_on`, runs the health check to wait for `service_healthy`, and follows
`deploy.replicas`. It never pulls images: stand-ins take the place of the official ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

ORDER = ("postgres", "redis", "prepare", "api-server", "scheduler", "dag-processor", "triggerer")
LAST = ("worker",)
"""Services that wait for the API server."""
WITHIN_S = 180
_ENDED = {"exited", "stopped"}
# Unlike podman, Docker mounts no tmpfs at /run and /var/tmp of a read-only container.
_COMPOSE = ("podman-compose", "--podman-run-args=--read-only-tmpfs=false")
_NOISE = re.compile(r"systemd connection|connect to syslog")


def main(words: list[str]) -> int:
    """Run a command and return its exit code."""
    if words[:1] != ["compose"]:
        return run("podman", *words)
    subcommand, rest = words[1], words[2:]
    options = [word for word in rest if word.startswith("-")]
    if subcommand == "up":
        return up(options, [word for word in rest if word not in options])
    if subcommand == "build":
        return run(*_COMPOSE, "build", "prepare")  # all services use one image
    if subcommand in {"down", "stop", "exec"}:
        return act(subcommand, rest)
    return run(*_COMPOSE, subcommand, *rest)


def act(subcommand: str, words: list[str]) -> int:
    """Stop or remove services, or run a command inside one; `-T` means without a terminal."""
    if subcommand == "exec":
        service, *inside = words[1:] if words[0] == "-T" else words
        return run("podman", "exec", "--interactive", containers(service)[0], *inside)
    backwards = [each for each in reversed((*ORDER, *LAST)) if each in words or not words]
    # One by one: podman would stop all at once, and a worker whose broker is gone waits for it.
    for name in (name for each in backwards for name in containers(each)):
        removal = ("rm", "--force", "--time", "60") if subcommand == "down" else ("stop",)
        if code := run("podman", *removal, name):
            return code
    # podman-compose removes only one container of each service, however many there are.
    return run(*_COMPOSE, "down") if subcommand == "down" else 0


def run(*command: str) -> int:
    """Run a program and drop podman's complaints about a machine without systemd."""
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    lines = [line for line in done.stderr.splitlines() if not _NOISE.search(line)]
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return done.returncode


def ask(*command: str) -> str:
    """Return the output of a program."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def project() -> str:
    """Return the name of the project, which is the prefix of each container's name."""
    return str(yaml.safe_load(Path("docker-compose.yaml").read_text("utf-8"))["name"])


def containers(service: str) -> list[str]:
    """Return the names of a service's containers, running or not."""
    label = f"label=com.docker.compose.service={service}"
    ours = f"label=io.podman.compose.project={project()}"
    return sorted(
        ask(
            "podman", "ps", "--all", "--filter", label, "--filter", ours, "--format", "{{.Names}}"
        ).split()
    )


def up(options: list[str], named: list[str]) -> int:
    """Start services in their order; running containers stay as they are."""
    if "--build" in options and (code := main(["compose", "build"])):
        return code
    profiles = _variable("COMPOSE_PROFILES").split(",")
    wanted = named or [
        each for each in (*ORDER, *LAST) if each not in {"postgres", "redis"} or each in profiles
    ]
    for service in wanted:
        if code := _start(service):
            return code
        if service == "prepare":
            if code := int(ask("podman", "wait", containers(service)[0]) or 1):
                sys.stderr.write(f"service {service} did not end well: exit {code}\n")
                return code
        elif service in {"postgres", "redis", "api-server"} and not _is_healthy_in_time(service):
            sys.stderr.write(f"dependency {service} is unhealthy\n")
            return 1
    return 0


def _start(service: str) -> int:
    if found := containers(service):
        stopped = [each for each in found if _state(each) != "running"]
        return run("podman", "start", *stopped) if stopped else 0
    count = (_variable("WORKERS") or "2") if service == "worker" else "1"
    scale = ("--scale", f"{service}={count}")
    return run(*_COMPOSE, "up", "--detach", "--no-deps", *scale, service)


def _state(container: str) -> str:
    return ask("podman", "inspect", "--format", "{{.State.Status}}", container)


def _is_healthy_in_time(service: str) -> bool:
    (container,) = containers(service)
    limit = time.monotonic() + WITHIN_S
    while time.monotonic() < limit and _state(container) not in _ENDED:
        check = ["podman", "healthcheck", "run", container]
        if subprocess.run(check, capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(1)
    return False


def _variable(name: str) -> str:
    given = re.findall(rf"(?m)^{name}=(.*)$", Path(".env").read_text("utf-8"))
    return os.environ.get(name) or (given[-1] if given else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
