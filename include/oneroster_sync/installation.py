"""What an operator should know of an installation, beside what stops it: `oneroster check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneroster_sync import settings
from oneroster_sync.store import audit, database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection


def find_warnings() -> list[str]:
    """Return what is not as it should be, in sentences; it changes nothing."""
    with database.engine().connect() as connection:
        return [warning for check in _CHECKS for warning in check(connection)]


def _check_audit(connection: Connection) -> Iterator[str]:
    """Warn where the role of the services could change the audit."""
    found = audit.protection(connection)
    if found.can_be_changed:
        yield (
            "the role of ONEROSTER_DATABASE_URL could change the audit: one role owns the tables "
            "and uses them; give the tables an owner of their own, whom ONEROSTER_OWNER_URL names "
            "for `oneroster migrate` alone"
        )
    asked = settings.keeping().audit_days
    if found.kept_days is not None and found.kept_days > asked:
        yield (
            f"the audit is kept for {found.kept_days:,} days, as the owner of the tables says, and "
            f"not for the {asked:,} of ONEROSTER_KEEP_AUDIT_DAYS: run `oneroster migrate` with the "
            "number that should hold"
        )


_CHECKS: tuple[Callable[[Connection], Iterator[str]], ...] = (_check_audit,)
