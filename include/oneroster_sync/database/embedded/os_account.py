"""The operating-system account that the embedded PostgreSQL runs as.

PostgreSQL refuses to run as root. Started by any other user, the server runs as that user. Started
by root, the server runs as another existing account; no account is created, and no permission
outside the home is changed. If that account cannot enter the home or the virtual environment (for
example a project below /root), the server gets the one Linux capability to search and read folders.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from oneroster_sync.database.embedded import LocalError

SERVICE_ACCOUNTS = ("postgres", "_postgres", "nobody")
"""System accounts that own no person's files, in order of preference."""

# Bits of Linux's capability sets, the least powerful first.
# Containers with Docker's default rights have only the second.
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


@dataclass(frozen=True, slots=True)
class Account:
    """The account that runs the server, and the launcher command that switches to it."""

    name: str
    uid: int
    gid: int
    launcher: tuple[str, ...] = ()

    def run(
        self,
        command: list[str],
        *,
        cwd: Path,
        output: IO[bytes] | int = subprocess.DEVNULL,
        timeout_s: float = 60,
    ) -> int:
        """Run the command as this account, without a terminal, and return its exit code."""
        plain = self.launcher or self.uid == os.geteuid()
        return subprocess.run(
            [*self.launcher, *command],
            cwd=cwd,
            # The caller's PGPORT, PGDATA and others would change the server.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=None if plain else self.uid,
            group=None if plain else self.gid,
            # Otherwise the server would keep root's supplementary groups.
            extra_groups=None if plain else [],
            timeout=timeout_s,
            check=False,
        ).returncode

    def own(self, path: Path) -> None:
        """Make this account the owner of the file or folder."""
        if path.lstat().st_uid != self.uid:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_use(self, folder: Path, initdb: Path) -> bool:
        """Return whether this account may enter the folder and run PostgreSQL's programs."""
        script = 'cd "$1" && exec "$2" --show --pgdata "$1/data"'
        # `initdb --show` changes nothing, but needs its programs and its shared files to be
        # readable.
        check = ["/bin/sh", "-c", script, "sh", str(folder), str(initdb)]
        try:
            return self.run(check, cwd=Path("/"), timeout_s=20) == 0
        except (OSError, subprocess.SubprocessError):
            return False


def choose(folder: Path, data: Path, initdb: Path) -> Account:
    """Return the account that runs the server.

    The owner of existing data comes first, so that root can start a server that an ordinary user
    created.

    Raises:
        LocalError: No account of this machine can run the server.
    """
    me = os.geteuid()
    if data.exists() and me not in (0, data.stat().st_uid):
        raise LocalError(
            f"The database in {folder} belongs to the account {_name(data.stat().st_uid)}: "
            f"use it as that account, or set ONEROSTER_HOME to a folder of your own."
        )
    if me != 0:
        return _own_account(me)
    for account in _candidates(folder, data):
        for candidate in (account, _with_capability(account)):
            if candidate is not None and candidate.can_use(folder, initdb):
                return candidate
    raise LocalError(
        f"PostgreSQL does not run as root, and no other account may enter {folder} and run "
        f"{initdb}: start this as an ordinary user, move the project to a folder that others "
        f"may enter, or set ONEROSTER_DATABASE_URL to a PostgreSQL of your own."
    )


def allowed_users(account: Account) -> list[str]:
    """Return the names of the accounts that may connect: the caller and the data's owner.

    A shared service account (`SERVICE_ACCOUNTS`) may not connect, even if the server runs as it.
    """
    names = {_name(os.geteuid())}
    # peer authentication would let in every process of `nobody`, whatever program it is of.
    if account.name not in SERVICE_ACCOUNTS:
        names.add(account.name)
    return sorted(names)


def change_owner(folder: Path, account: Account) -> None:
    """Make a person's account the owner of files that root created, so that it can continue."""
    if os.geteuid() == 0 and account.name not in (*SERVICE_ACCOUNTS, "root"):
        for path in (folder, *folder.iterdir()):
            account.own(path)


def _own_account(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise LocalError(
            f"The user id {uid} has no name on this machine, and PostgreSQL needs one: add it to "
            f"/etc/passwd, or set ONEROSTER_DATABASE_URL to a PostgreSQL of your own."
        ) from None
    return Account(entry.pw_name, uid, os.getegid())


def _candidates(folder: Path, data: Path) -> list[Account]:
    """Return the accounts that root may use, in order of preference."""
    if data.exists() and data.stat().st_uid != 0:
        return [_own_account(data.stat().st_uid)]
    uids = [int(os.environ.get("SUDO_UID") or 0), folder.parent.stat().st_uid]
    entries = []
    for uid in uids:
        with suppress(KeyError):
            entries.append(pwd.getpwuid(uid))
    for name in SERVICE_ACCOUNTS:
        with suppress(KeyError):
            entries.append(pwd.getpwnam(name))
    return [Account(it.pw_name, it.pw_uid, it.pw_gid) for it in entries if it.pw_uid != 0]


def _with_capability(account: Account) -> Account | None:
    """Return the account with the capability to enter any folder, or None if unavailable."""
    setpriv = shutil.which("setpriv")
    status = Path("/proc/self/status")
    if setpriv is None or not status.exists():
        return None
    effective = next(
        int(line.split()[1], 16)
        for line in status.read_text(encoding="ascii", errors="replace").splitlines()
        if line.startswith("CapEff:")
    )
    for name, bit in _CAPABILITIES.items():
        if effective & (1 << bit):
            launcher = (
                setpriv,
                f"--reuid={account.uid}",
                f"--regid={account.gid}",
                "--clear-groups",
                # Without this, access(2), which PostgreSQL uses to find its files, ignores it.
                "--securebits=+no_setuid_fixup",
                f"--inh-caps=-all,+{name}",
                f"--ambient-caps=-all,+{name}",
                "--",
            )
            return Account(account.name, account.uid, account.gid, launcher)
    return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
