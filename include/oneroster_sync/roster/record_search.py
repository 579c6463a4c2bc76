"""Search for users and courses: in one site by any part of a name, in many sites by its beginning.

A search in one site reads all its rows, which is fast even for a large site. A search in many sites
uses indexes: on login and sourcedId (exact), and on family name and title (prefix). Each further
index would slow down large syncs, so a given name is found only together with a family name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.standard.logins import normalize_login

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

_SEARCH = """
(select 'user' as kind, id, sourced_id,
        coalesce(nullif(concat_ws(' ', given_name, family_name), ''), email) as label,
        email, status, managed, (sourced_id = :term or login = :login) as exact
 from users
 where site = :site and (sourced_id = :term or login = :login
    or concat_ws(' ', given_name, family_name) ilike :part or email ilike :part)
 order by exact desc, label limit :limit)
union all
(select 'course', id, sourced_id, title, null, status, managed, sourced_id = :term
 from courses
 where site = :site and (sourced_id = :term or title ilike :part or course_code ilike :part)
 order by 8 desc, title limit :limit)
order by exact desc, label limit :limit
"""
# The expressions are those of the indexes (migration 0029). The prefix search uses a range, because
# the planner can't know that the parameter of a LIKE does not begin with a wildcard.
_FAMILY_NAME = 'lower(family_name) collate "C"'
_TITLE = 'lower(title) collate "C"'
_BY_PREFIX = """
(select id, 0 as exact from {table}
 where {name} >= lower(:{prefix}) collate "C" and {name} < lower(:{prefix}) || :last collate "C"
   and site = any(:sites) {beside}
 order by {name} limit :limit)
"""
_BESIDE = "and starts_with(lower(given_name), lower(:{given}))"
_EXACTLY = """
select found.id, 1 as exact from unnest(cast(:sites as text[])) wanted(site)
cross join lateral (
    select id from {table} where site = wanted.site and {column} = :{bound}) found
"""
_SEARCH_SITES = """
with found_users as (
    select id, max(exact) as exact from ({users}) u group by id),
found_courses as (
    select id, max(exact) as exact from ({courses}) c group by id)
select 'user' as kind, u.id, u.site, u.sourced_id,
       coalesce(nullif(concat_ws(' ', given_name, family_name), ''), email) as label,
       email, status, managed, exact
from found_users f join users u on u.id = f.id
union all
select 'course', k.id, k.site, k.sourced_id, k.title, null, k.status, k.managed, exact
from found_courses f join courses k on k.id = f.id
order by exact desc, label, site, id limit :limit
"""
_LAST = "\U0010ffff"
"""The last code point: every text with a prefix is less than the prefix followed by this."""
_WORDS = 5
"""Maximum number of words of a name that are used; each further word adds two ranges."""
SHORTEST = 2
"""Minimum length of a search text: a shorter one matches too many people."""


def search(connection: Connection, site: str, term: str, limit: int) -> list[dict[str, Any]]:
    """Return the users and courses of a site whose identifiers match or whose names contain a text.

    Args:
        connection: To the roster database.
        site: The site.
        term: Part of a name, an e-mail address, a title or a course code, or a whole sourcedId.
        limit: Maximum number of records.
    """
    bound = {
        "site": site,
        "term": term,
        "login": normalize_login(term),
        "part": f"%{_escaped(term)}%",
        "limit": limit,
    }
    return _without_rank(connection.execute(sa.text(_SEARCH), bound).mappings())


def search_sites(
    connection: Connection, sites: Collection[str], term: str, limit: int
) -> list[dict[str, Any]]:
    """Return the users and courses of several sites that match a text, with the site of each.

    Args:
        connection: To the roster database.
        sites: The sites whose persons the caller may see.
        term: An e-mail address, a sourcedId, the beginning of a family name or a title, or a given
            and a family name in either order.
        limit: Maximum number of records.
    """
    if len(term) < SHORTEST or not sites:
        return []
    names = _split_name(term)
    bound: dict[str, Any] = {f"given_{n}": given for n, (given, _) in enumerate(names)}
    bound |= {f"family_{n}": family for n, (_, family) in enumerate(names)}
    parts = {
        "users": [
            *(_by_name(number) for number in range(len(names))),
            _EXACTLY.format(table="users", column="sourced_id", bound="term"),
            # The index on logins contains only active users.
            _EXACTLY.format(table="users", column="status = 'active' and login", bound="login"),
        ],
        "courses": [
            _BY_PREFIX.format(table="courses", name=_TITLE, prefix="term", beside=""),
            _EXACTLY.format(table="courses", column="sourced_id", bound="term"),
        ],
    }
    query = _SEARCH_SITES.format(**{kind: " union all ".join(each) for kind, each in parts.items()})
    bound |= {"sites": list(sites), "term": term, "login": normalize_login(term)}
    bound |= {"last": _LAST, "limit": limit}
    return _without_rank(connection.execute(sa.text(query), bound).mappings())


def _split_name(term: str) -> list[tuple[str, str]]:
    """Return the possible pairs of given name and family name in a text, in either order.

    A family name may have several words, so the text is split before each of its words.
    """
    words = term.replace(",", " ").split()[:_WORDS]
    pairs = [("", term)]
    for at in range(1, len(words)):
        start, end = " ".join(words[:at]), " ".join(words[at:])
        pairs += [(start, end), (end, start)]
    return pairs


def _by_name(number: int) -> str:
    """Return the query by family name only (0), or by family name and given name."""
    beside = _BESIDE.format(given=f"given_{number}") if number else ""
    prefix = f"family_{number}"
    return _BY_PREFIX.format(table="users", name=_FAMILY_NAME, prefix=prefix, beside=beside)


def _without_rank(rows: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "exact"} for row in rows]


def _escaped(term: str) -> str:
    # The backslash first, because it is added before the other two.
    for sign in "\\%_":
        term = term.replace(sign, f"\\{sign}")
    return term
