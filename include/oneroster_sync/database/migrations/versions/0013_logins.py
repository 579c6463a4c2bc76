"""Logins in lower case instead of case folding, which makes `ß` and `ss` one."""

from __future__ import annotations

import logging
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

log = logging.getLogger("oneroster")

# Only rows with characters beyond ASCII: for ASCII, folding and lower case give the same.
_FOLDED = """
select id, site, status, login, email, username from users
where login is not null and (email ~ '[^ -~]' or username ~ '[^ -~]' or login ~ '[^ -~]')
order by id
"""
_TAKEN = """
select exists (
    select from users where site = :site and login = :login and status = 'active' and id <> :id
)
"""


def upgrade() -> None:
    """Spell each login anew; one that another active account has is left alone and logged."""
    connection = op.get_bind()
    for user in connection.execute(sa.text(_FOLDED)).mappings().all():
        login = _respelled(user["login"], user["email"], user["username"])
        if login == user["login"]:
            continue
        bound = {"id": user["id"], "site": user["site"], "login": login}
        # The exclusion constraint of active logins would stop the whole upgrade.
        if user["status"] == "active" and connection.scalar(sa.text(_TAKEN), bound):
            log.warning(
                "User %s of site %s keeps the old spelling of the login: another active account "
                "has the new one. Change one of the two addresses.",
                user["id"],
                user["site"],
            )
            continue
        connection.execute(sa.text("update users set login = :login where id = :id"), bound)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")


def _respelled(login: str, *addresses: str | None) -> str:
    """Return the new spelling of a login, from the address that it was folded from."""
    source = next((a for a in addresses if a and a.casefold() == login), login)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", source).lower())
