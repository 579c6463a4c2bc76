"""Account matching: find the people of a package to whom accounts made by hand may belong.

A sync links such an account to the person who has its login, and does nothing more by itself. Other
accounts are only similar to a person: the same name, or the same mailbox at another domain. All
matches are reported, and the sync acts on them only after the site confirms them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.records import in_order, positions
from oneroster_sync.runs.artifacts import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs import Run

HOW = ("login", "name", "mailbox", "linked", "orphan")
"""How an account matches a person.

* login: the account has the person's login, and the plan links it;
* name: given and family name are equal, ignoring case, and are unique on both sides;
* mailbox: the address is equal up to its domain, and is unique on both sides;
* linked: an earlier run linked the account to the person, and it is not managed yet;
* orphan: an active account that matches nobody.
"""
NEAR = ("name", "mailbox")
"""Matches that a person has to confirm."""
SCHEMA = pa.schema([("id", pa.int64()), ("sourced_id", pa.string()), ("how", pa.string())])

_OF_PEOPLE = ("sourced_id", "given_name", "family_name", "login")


def match_accounts(users: pa.Table, roster: Roster, present: pa.Array, *, whole: bool) -> pa.Table:
    """Return the accounts that the sync does not manage, with the person each may belong to.

    The credited administrator is included like any other account.

    Args:
        users: The plan's changes to users: added users and linked accounts.
        roster: The site's roster.
        present: sourcedIds of the people of the package.
        whole: Whether the package lists everybody; otherwise no account is an orphan.

    Returns:
        `id` of the account, `sourced_id` of the person and `how`, in the order of `HOW`.
    """
    stored = roster.users
    accounts = stored.filter(pc.is_null(stored["sourced_id"]))
    known = stored.filter(pc.is_valid(stored["sourced_id"]))
    added = users.filter(pc.equal(users["action"], "add"))
    people = added.select([f"after_{name}" for name in _OF_PEOPLE]).rename_columns(_OF_PEOPLE)
    everybody = pa.concat_tables([people, known.select(_OF_PEOPLE)])
    by_login = users.filter(pc.is_in(users["id"], _values(accounts["id"])))
    linked = pc.and_(pc.invert(known["managed"]), pc.is_in(known["sourced_id"], present))
    found = {
        "login": _table("login", by_login["id"], by_login["after_sourced_id"]),
        "linked": _table("linked", known["id"].filter(linked), known["sourced_id"].filter(linked)),
    }
    left = _without(accounts, "id", found["login"])
    for how, key in (("name", _name), ("mailbox", _mailbox)):
        # Counted over all accounts and people, not over those that are left: a namesake who is
        # matched already still makes the name ambiguous.
        once = _once(key(accounts), key(everybody))
        found[how] = _pair_unique(how, left, people, key, once)
        left = _without(left, "id", found[how])
        people = _without(people, "sourced_id", found[how])
    orphans = left["id"].filter(pc.and_(pc.equal(left["status"], "active"), pa.scalar(whole)))
    found["orphan"] = _table("orphan", orphans, pa.nulls(len(orphans), pa.string()))
    return pa.concat_tables([in_order(found[how], "id") for how in HOW])


def _pair_unique(
    how: str,
    accounts: pa.Table,
    people: pa.Table,
    key: Callable[[pa.Table], pa.ChunkedArray],
    once: pa.Array,
) -> pa.Table:
    """Return the pairs of an account and a person with the same key, where the key is unique."""
    at = positions(key(accounts), key(people))
    # A null key is never unique: `_single` drops nulls, which would otherwise match each other.
    at = pc.if_else(pc.is_in(key(accounts), once), at, pa.scalar(None, at.type))
    alike = pc.is_valid(at)
    return _table(how, accounts["id"].filter(alike), people["sourced_id"].take(at.drop_null()))


def _once(accounts: pa.ChunkedArray, people: pa.ChunkedArray) -> pa.Array:
    """Return the keys that occur exactly once on each side."""
    once = _single(accounts)
    both = _single(people.filter(pc.is_in(people, once)))
    return once.filter(pc.is_in(once, both))


def _single(keys: pa.ChunkedArray) -> pa.Array:
    counts = pc.value_counts(keys.drop_null())
    return counts.field("values").filter(pc.equal(counts.field("counts"), 1))


def _name(table: pa.Table) -> pa.ChunkedArray:
    names = (pc.utf8_lower(table[column]) for column in ("given_name", "family_name"))
    return pc.binary_join_element_wise(*names, "\x1f", null_handling="emit_null")


def _mailbox(table: pa.Table) -> pa.ChunkedArray:
    """Return the part of each login before the last @; null if there is no @."""
    parts = pc.split_pattern(table["login"], "@", max_splits=1, reverse=True)
    mailbox = pc.list_element(parts, 0)
    whole = pc.greater(pc.list_value_length(parts), 1)
    return pc.if_else(whole, mailbox, pa.scalar(None, mailbox.type))


def _without(table: pa.Table, column: str, found: pa.Table) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table[column], _values(found[column]))))


def _table(how: str, ids: pa.ChunkedArray, sourced_ids: pa.ChunkedArray | pa.Array) -> pa.Table:
    columns = {"id": ids, "sourced_id": sourced_ids, "how": pa.repeat(how, len(ids))}
    return pa.table(columns, schema=SCHEMA)


def _values(column: pa.ChunkedArray) -> pa.Array:
    return column.drop_null().combine_chunks()


def read_accounts(run: Run) -> pa.Table:
    """Return the result of `match_accounts` in a run; an empty table if there is none."""
    tables = RunFolder.of(run.site, run.run_id).read_tables("adoption")
    return tables.get("accounts", SCHEMA.empty_table())
