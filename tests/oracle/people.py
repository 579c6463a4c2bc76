"""People and their accounts: account matching, logins, and the changes to users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracle.judge import claims_login
from oracle.links import PLATFORM, RANK, Links, of_roles
from oracle.state import Change, Record

if TYPE_CHECKING:
    from oracle.door import Line


class People(Links):
    """The changes that a plan makes to users."""

    reached: dict[str, list[Record]]

    def _rename_users(self) -> None:
        state, known = self.state, self.state.by_sid("users")
        leaving = self._leaving("users")
        at = {
            state.users[n]["login"]: n for n in sorted(leaving, reverse=True)
            if state.users[n]["status"] == "active" and n != state.admin
            and state.users[n]["login"] is not None
        }  # fmt: skip
        found = {}
        for line in self._recognisable():
            number = at.get(line["login"])
            if line["sourcedId"] not in known and number is not None:
                found[number] = line
        percent, minimum = self.rekeys
        many = len(found) >= minimum and len(found) * 100 >= percent * state.active("users")
        for number, line in found.items():
            user = state.users[number]
            alike = same(line.get("givenName"), user["given"])
            if many or alike or same(line.get("familyName"), user["family"]):
                self.renamed["users"][number] = line["sourcedId"]

    # Logins

    def _keep_known_logins(self) -> None:
        """Let a row without an address keep its user's address, unless another row claims it."""
        known = self.state.by_sid("users")
        lines = (*self.good["users"], *self.bad.get("users", ()))
        claimed = {line["login"] for line in lines if claims_login(line)}
        for line in self._staying("users"):
            number = known.get(line["sourcedId"])
            if line.get("login") or number is None:
                continue
            user = self.state.users[number]
            if user["login"] not in claimed or line.get("enabledUser") == "false":
                line["login"], line["email"] = user["login"], user["email"]

    def _refuse_other_people(self) -> None:
        """Refuse rows whose user has other names and another address, all at once."""
        known, refused = self.state.by_sid("users"), set()
        for line in self._staying("users"):
            number = known.get(line["sourcedId"])
            if number is None or number == self.state.admin:
                continue
            user = self.state.users[number]
            compared = (("givenName", "given"), ("familyName", "family"), ("login", "login"))
            if user["managed"] and all(
                line.get(c) and user[f] and not same(line[c], user[f]) for c, f in compared
            ):
                refused.add(line["sourcedId"])
        self.plan.reused = len(refused)
        self._refuse(refused)

    def _refuse_taken_logins(self) -> None:
        """Refuse rows that claim another user's login, until no further row is refused."""
        state = self.state
        known = state.by_sid("users")
        leaving = self._leaving("users")
        going = {line["sourcedId"] for line in self.good["users"] if "goes" in line}
        off = {
            line["sourcedId"] for line in self.good["users"] if line.get("enabledUser") == "false"
        }
        off |= {id_ for id_, roles in self.reached.items() if not roles}
        leaving |= {known[id_] for id_ in off if id_ in known}
        stated = {number for number in leaving if state.users[number]["sid"] in going | off}
        while True:
            rows = {line["sourcedId"]: line for line in self.good["users"]}
            held = {}
            for number, user in state.users.items():
                mine = user["managed"] and number != state.admin
                follows = mine or (self.adopt and number != state.admin and number not in stated)
                leaves = mine and number in leaving
                moves = follows and user["sid"] in rows
                if user["status"] == "active" and user["login"] and not leaves and not moves:
                    held[user["login"]] = number
            refused = set()
            for id_, line in rows.items():
                holder = held.get(line.get("login"))
                if not claims_login(line) or holder is None:
                    continue
                adopts = state.users[holder]["sid"] is None and id_ not in known
                if known.get(id_) != holder and not adopts:
                    refused.add(id_)
            if not refused:
                return
            self._refuse(refused)

    def _refuse(self, ids: set[str]) -> None:
        """Move rows of users.csv, and the enrollments that depend on them, to those with errors."""
        for name, column in (("users", "sourcedId"), ("enrollments", "userSourcedId")):
            if name in self.good:
                stays = name == "enrollments"
                refused = [
                    line for line in self.good[name]
                    if line.get(column) in ids and not (stays and "goes" in line)
                ]  # fmt: skip
                self.good[name] = [line for line in self.good[name] if line not in refused]
                self.bad.setdefault(name, []).extend(refused)

    # Users

    def _users(self) -> list[Change]:
        if "users" not in self.good and "roles" not in self.good:
            return []
        state = self.state
        known = state.by_sid("users")
        changes: dict[Any, Change] = {}
        wanted: dict[str, tuple[Record, bool]] = {}
        for line in self._staying("users"):
            wanted[line["sourcedId"]] = self._wanted(line, known), True
        held = {u["login"] for u in state.users.values() if u["status"] == "active"}
        held |= {w["login"] for w, _ in wanted.values() if w["status"] == "active"}
        for id_, roles in self.reached.items():
            if id_ in known and id_ not in wanted:
                user = state.users[known[id_]]
                role, orgs = of_roles(roles)
                back = known[id_] in state.lost_role and user["login"] not in held
                status = "inactive" if not roles else "active" if back else user["status"]
                fields = {**user, "role": role or user["role"], "orgs": orgs or user["orgs"]}
                wanted[id_] = {**fields, "status": status}, False
        recognisable = {line["sourcedId"] for line in self._recognisable()}
        accounts = sorted(
            (n for n, u in state.users.items() if u["sid"] is None and u["login"]),
            key=lambda n: (state.users[n]["status"] != "active", n),
        )
        for new, (id_, (want, by_row)) in enumerate(wanted.items(), start=1):
            number = known.get(id_)
            if number is None:
                same = [n for n in accounts if state.users[n]["login"] == want["login"]]
                if same and id_ in recognisable:
                    number = same[0]
                    changes[number] = self._link(number, want)
                    continue
                changes[-new] = Change("user", -new, None, {**want, "managed": True}, "add", "row")
                continue
            change = self._matched(number, want, by_row=by_row)
            if change:
                changes[number] = change
        if "users" in self.good:
            self._depart(changes)
        for number, named in self.renamed["users"].items():
            before = self.before.users[number]
            if number in changes:
                made = changes[number]
                made.before = before
                made.action = "rekey" if made.action == "update" else made.action
            else:
                changes[number] = Change(
                    "user", number, before, {**before, "sid": named}, "rekey", ""
                )
        return list(changes.values())

    def _wanted(self, line: Line, known: dict[str, int]) -> Record:
        """Return the user that a row asks for; a value that is left out keeps the stored one."""
        number = known.get(line["sourcedId"])
        before = self.state.users[number] if number is not None else {}
        out = line["out"]
        if "role" in line:
            role: str | None = PLATFORM[RANK[line["role"]]]
            orgs: str | None = (
                ",".join(sorted(set(line.get("orgSourcedIds", "").split(",")) - {""})) or None
            )
            if "orgSourcedIds" in out and orgs is None:
                orgs = before.get("orgs")
        else:
            theirs = [r for r in self.merged["roles"].values() if r["user"] == line["sourcedId"]]
            role, orgs = of_roles(theirs)
            role, orgs = role or before.get("role"), orgs or before.get("orgs")
        status = "inactive" if line.get("enabledUser") == "false" else "active"
        if "enabledUser" in out and before and number not in self.absent:
            status = before["status"]
        username = line.get("username")
        if username is None and "username" in out:
            username = before.get("username")
        values = {
            "sid": line["sourcedId"], "given": line["givenName"], "family": line["familyName"],
            "email": line.get("email") or line.get("login"), "login": line.get("login"),
            "username": username, "role": role, "orgs": orgs, "status": status,
        }  # fmt: skip
        for column, field_ in (("username", "username"), ("orgSourcedIds", "orgs")):
            if column in self.missing.get("users", ()) and (column == "username" or "role" in line):
                values[field_] = before.get(field_)
        return values

    def _link(self, number: int, want: Record) -> Change:
        """Return the link of a hand-made account, which becomes managed if the site adopts."""
        before = self.state.users[number]
        theirs = self.adopt and number != self.state.admin
        after = {**want} if theirs else {**before, "sid": want["sid"]}
        after["managed"] = theirs
        return Change("user", number, before, after, "adopt", "login")

    def _matched(self, number: int, want: Record, *, by_row: bool) -> Change | None:
        before = self.state.users[number]
        if number == self.state.admin:
            return None
        if not before["managed"]:
            if not self.adopt:
                return None
            leaves = before["status"] == "active" and want["status"] == "inactive"
            action, why = ("deactivate", "disabled") if leaves else ("adopt", "linked")
            return Change("user", number, before, {**want, "managed": True}, action, why)
        after = {**want, "managed": True}
        if after == before:
            return None
        if before["status"] == after["status"]:
            return Change("user", number, before, after, "update", "row")
        if after["status"] == "inactive":
            why = "disabled" if by_row else "no role"
            if not by_row and before["sid"] in self._second():
                why = "not_primary"
            return Change("user", number, before, after, "deactivate", why)
        return Change("user", number, before, after, "reactivate", "row" if by_row else "role")

    def _second(self) -> set[str]:
        """Return users who lose a staff role because no primary role of theirs is one of staff."""
        stored = self.state.links["roles"]
        lines = [line for line in self.good.get("roles", ()) if line.get("goes") == "not_primary"]
        return {stored[line["sourcedId"]]["user"] for line in lines if line["sourcedId"] in stored}

    def _depart(self, changes: dict[Any, Change]) -> None:
        state = self.state
        reasons = {line["sourcedId"]: line["goes"] for line in self.good["users"] if "goes" in line}
        for number in self._leaving("users"):
            user = state.users[number]
            if user["managed"] and number != state.admin and user["status"] == "active":
                why = reasons.get(user["sid"], "absent")
                after = {**user, "status": "inactive"}
                changes[number] = Change("user", number, user, after, "deactivate", why)


def same(one: str | None, other: str | None) -> bool:
    """Return whether two names are equal, ignoring case."""
    return one is not None and other is not None and one.lower() == other.lower()
