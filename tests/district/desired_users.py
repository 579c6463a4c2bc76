"""The oracle for users: who is staff, which rows are usable, who is active after the sync."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from district.checks import (
    Finding,
    Line,
    count_rows_of_students,
    read_lines,
    shared_logins,
)
from district.model import NOT_STAFF
from district.state import RoleHeld, Roster, UserState

if TYPE_CHECKING:
    from district.rows import Package

MISSING = "reference.missing_target_record"
MISSING_ROLE = "reference.missing_role"
LOGIN_TAKEN = "semantic.login_taken"
PLATFORM_ROLES = {
    "districtAdministrator": "administrator",
    "principal": "administrator",
    "siteAdministrator": "administrator",
    "systemAdministrator": "administrator",
}
"""Roles of 1.2 that have another name on the platform."""


@dataclass(slots=True)
class Users:
    """The oracle's result for the users of a package."""

    bulk: bool
    known: set[str]
    present: dict[str, UserState] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)
    ignored_ids: set[str] = field(default_factory=set)
    ignored: int = 0
    errors: int = 0
    findings: list[Finding] = field(default_factory=list)
    after: dict[str, UserState] = field(default_factory=dict)
    roles_after: dict[str, RoleHeld] = field(default_factory=dict)

    def is_usable(self, sourced_id: str) -> bool:
        """Return whether an enrollment may point to the user."""
        if sourced_id in self.quarantined or sourced_id in self.deleted:
            return False
        return sourced_id in self.present or (not self.bulk and sourced_id in self.known)


def desired_users(before: Roster, package: Package) -> Users:
    """Return the users that the site must hold after the sync, and the rows that are unusable."""
    table = package.tables.get("users")
    users = Users(table is not None and table.mode == "bulk", set(before.users))
    lines = read_lines(package, "users", before.users)
    roles = _Roles(before, package) if package.version == "1.2" else None
    if roles:
        lines = roles.keep_staff(lines, users)
    else:
        users.ignored = count_rows_of_students(package)
        users.ignored_ids = _ids_of_students(package)
    shared = shared_logins(lines)
    for line in lines:
        fault = line.fault
        if not line.deletes:
            fault = fault or (LOGIN_TAKEN if line.id in shared else None)
        if fault or (roles and line.id in roles.quarantined and not line.deletes):
            _quarantine(users, line.id, fault)
        elif line.deletes:
            users.deleted.add(line.id)
        else:
            users.present[line.id] = _state(line, roles)
    if roles:
        roles.apply_to_users_without_row(users, {line.id for line in lines})
    _give_way_to_held_logins(before, users)
    users.errors = sum(line.id in users.quarantined for line in lines)
    users.errors += len(users.quarantined - {line.id for line in lines})
    if roles:
        users.errors += 0 if users.bulk else roles.dangling
        users.roles_after = roles.settled(users.quarantined)
    users.after = _after(before, users)
    return users


def _quarantine(users: Users, sourced_id: str, fault: str | None) -> None:
    users.quarantined.add(sourced_id)
    users.present.pop(sourced_id, None)
    if fault:
        users.findings.append(Finding("users", sourced_id, fault))


def _give_way_to_held_logins(before: Roster, users: Users) -> None:
    """Quarantine rows that claim the e-mail of an active user who keeps it."""
    while True:
        held = {
            old.email.lower(): id_
            for id_, old in before.users.items()
            if old.status == "active" and _stays(id_, users)
        }
        taken = [
            id_
            for id_, new in users.present.items()
            if new.status == "active" and held.get(new.email.lower(), id_) != id_
        ]
        if not taken:
            return
        for id_ in taken:
            _quarantine(users, id_, LOGIN_TAKEN)


def _stays(sourced_id: str, users: Users) -> bool:
    if sourced_id in users.quarantined:
        return True
    return not users.bulk and sourced_id not in users.present and sourced_id not in users.deleted


def _after(before: Roster, users: Users) -> dict[str, UserState]:
    after = {**before.users, **users.present}
    for id_, old in before.users.items():
        absent = users.bulk and id_ not in users.present and id_ not in users.quarantined
        if absent or id_ in users.deleted:
            after[id_] = replace(old, status="inactive")
    return after


def _ids_of_students(package: Package) -> set[str]:
    if "users" not in package.tables:
        return set()
    staff = {line.id for line in read_lines(package, "users")}
    return {cells["sourcedId"] for cells in package.tables["users"].records()} - staff


def _state(line: Line, roles: _Roles | None) -> UserState:
    cells = line.cells
    if roles is None:
        role = cells["role"]
        orgs = frozenset(part.strip() for part in cells["orgSourcedIds"].split(","))
    else:
        role, orgs = roles.of_user(line.id)
    return UserState(
        cells["givenName"],
        cells["familyName"],
        cells["email"],
        cells["username"],
        role,
        orgs,
        "inactive" if cells.get("enabledUser") == "false" else "active",
    )


class _Roles:
    """The roles.csv of 1.2, which decides who is staff and in which orgs."""

    def __init__(self, before: Roster, package: Package) -> None:
        self.before = before
        self.package = package
        table = package.tables.get("roles")
        bulk = table is not None and table.mode == "bulk"
        self.bulk = bulk
        self.held: dict[str, RoleHeld] = {} if bulk else dict(before.roles)
        self.named: set[str] = set()
        self.quarantined: set[str] = set()
        self.findings: list[Finding] = []
        self.dangling = 0
        self.lost = False
        """Whether a broken row names no user, so that it could belong to any user."""
        self.pupils = _users_with_pupils_roles(package)
        there = _users_there(before, package)
        for line in read_lines(package, "roles", before.roles):
            old = before.roles.get(line.id)
            user = line.cells["userSourcedId"] or (old.user if old else "")
            self.named.add(line.id)
            if line.fault:
                self.findings.append(Finding("roles", line.id, line.fault))
                self.held.pop(line.id, None)
                self.lost = self.lost or not user
                self.quarantined |= {user} - {""}
            elif line.deletes:
                self.held.pop(line.id, None)
            elif user not in there:
                self.findings.append(Finding("roles", line.id, MISSING))
                self.dangling += 1
                if old:
                    self.held[line.id] = old
            else:
                self.held[line.id] = RoleHeld(
                    user, line.cells["roleType"], line.cells["role"], line.cells["orgSourcedId"]
                )
        self.by_user: dict[str, list[RoleHeld]] = defaultdict(list)
        for held in self.held.values():
            self.by_user[held.user].append(held)

    def keep_staff(self, lines: list[Line], users: Users) -> list[Line]:
        """Return the rows of the staff, and count the others as ignored.

        A user is staff by a role of the package or by a remembered role. A new user without any
        role is a student or unknown. A known user leaves the staff by a student's role; a known
        user without any role is an error.
        """
        users.findings.extend(self.findings)
        staff = []
        for line in lines:
            known = line.id in self.before.users
            pupil = line.id in self.pupils and not (self.lost and known)
            if self.by_user.get(line.id) or line.id in self.quarantined:
                staff.append(line)
            elif pupil or not known:
                users.ignored_ids.add(line.id)
                if known and not users.bulk:
                    users.deleted.add(line.id)
            elif line.deletes:
                staff.append(line)
            else:
                staff.append(replace(line, fault=line.fault or MISSING_ROLE))
        users.ignored = _count_rows(self.package, users.ignored_ids)
        return staff

    def of_user(self, sourced_id: str) -> tuple[str, frozenset[str]]:
        """Return the user's role (a primary one goes first) and all orgs of the user's roles."""
        held = sorted(self.by_user[sourced_id], key=lambda role: role.role_type)
        if not held:
            old = self.before.users[sourced_id]
            return old.role, old.org_sourced_ids
        role = held[0].role
        return PLATFORM_ROLES.get(role, role), frozenset(one.org for one in held)

    def apply_to_users_without_row(self, users: Users, with_row: set[str]) -> None:
        """Apply changed roles to known users whose own row is not in the package."""
        users.quarantined |= self.quarantined - with_row
        if users.bulk:
            return
        roles = self.settled(users.quarantined)
        for id_ in self.before.users.keys() - with_row - self.quarantined - users.ignored_ids:
            was = {role: held for role, held in self.before.roles.items() if held.user == id_}
            now = {role: held for role, held in roles.items() if held.user == id_}
            old = self.before.users[id_]
            if was == now:
                continue
            if now:
                role, orgs = self.of_user(id_)
                users.present[id_] = replace(old, role=role, org_sourced_ids=orgs)
            elif not self.lost:
                users.present[id_] = replace(old, status="inactive")

    def settled(self, quarantined: set[str]) -> dict[str, RoleHeld]:
        """Return the roles to remember: a quarantined user keeps the roles that no row names."""
        old = {
            id_: held
            for id_, held in self.before.roles.items()
            if id_ not in self.held
            and (id_ not in self.named or held.user in self.quarantined)
            and held.user in quarantined
        }
        return {**self.held, **old}


def _users_with_pupils_roles(package: Package) -> set[str]:
    """Return the users who have a role of a student or guardian in roles.csv."""
    table = package.tables.get("roles")
    if table is None:
        return set()
    return {cells["userSourcedId"] for cells in table.records() if cells["role"] in NOT_STAFF}


def _users_there(before: Roster, package: Package) -> set[str]:
    """Return the users whom a role may name: those of the package, and known ones unless bulk."""
    table = package.tables.get("users")
    if table is None:
        return set(before.users)
    return {row[0] for row in table.rows} | (set(before.users) if table.mode == "delta" else set())


def _count_rows(package: Package, ids: set[str]) -> int:
    """Count the rows of users.csv that have one of the sourcedIds, repeated rows included."""
    table = package.tables.get("users")
    return sum(row[0] in ids for row in table.rows) if table else 0
