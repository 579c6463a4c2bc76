"""Set up FAB in production: permissions of roles for our pages, and the first administrator.

    python -m oneroster_airflow.fab_setup
    python -m oneroster_airflow.fab_setup --grants-only

| role         | what is added                                                                |
|--------------|------------------------------------------------------------------------------|
| `OneRoster`  | made here: `can edit` on `OneRoster`, which makes an administrator of our    |
|              | pages of whoever has it beside a role of Airflow's                           |
| Viewer, User | `can read` on `Plugins`: without it Airflow shows no plugin's pages          |

With `--grants-only` it creates no login, for an Airflow that has its own. The script removes
nothing, and an existing user stays unchanged, password included. It can be run again, also by
several processes one after the other.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from oneroster_airflow.api.auth import RESOURCE
from oneroster_sync.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE = "OneRoster"
"""Role of administrators of the sync, with any other role of Airflow."""
_PLUGINS = ("can_read", "Plugins")
GRANTED = {
    ROLE: (("can_edit", RESOURCE), _PLUGINS),
    "Viewer": (_PLUGINS,),
    "User": (_PLUGINS,),
}
"""Role → the added permissions."""


class LoginError(UserError):
    """The first administrator can't be created; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """The first login: name, e-mail address and password."""

    username: str
    email: str
    password: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the login that the environment variables describe.

        Raises:
            LoginError: A variable is missing.
        """
        names = ("ADMIN_USERNAME", "ADMIN_EMAIL", "ADMIN_PASSWORD")
        missing = [name for name in names if not environment.get(name)]
        if missing:
            raise LoginError(f"{', '.join(missing)}: set them in .env, as .env.example says")
        return cls(*(environment[name] for name in names))


def grant(security: Any) -> None:
    """Add the permissions that our pages require to FAB's roles."""
    for name, permissions in GRANTED.items():
        role = security.find_role(name) or security.add_role(name)
        for action, resource in permissions:
            security.add_permission_to_role(role, security.create_permission(action, resource))


def make(security: Any, who: Administrator) -> bool:
    """Create the first administrator, unless a user with this name exists.

    Returns:
        True if the login was created.

    Raises:
        LoginError: FAB refuses it.
    """
    if security.find_user(username=who.username):
        return False
    role = security.find_role("Admin")
    if not security.add_user(who.username, who.username, "", who.email, role, who.password):
        raise LoginError(
            f"FAB does not take the login {who.username}: has another the same e-mail address?"
        )
    return True


def main() -> None:
    """Set up the Airflow of the current environment."""
    parser = argparse.ArgumentParser(description="Prepare FAB's logins for OneRoster's pages.")
    parser.add_argument(
        "--grants-only", action="store_true", help="add permissions to roles, and make no login"
    )
    grants_only = parser.parse_args().grants_only

    from oneroster_airflow.airflow_internals import get_application_builder

    try:
        who = None if grants_only else Administrator.of(os.environ)
        with get_application_builder() as builder:
            grant(builder.sm)
            made = who is not None and make(builder.sm, who)
    except LoginError as error:
        sys.exit(str(error))
    if who is None:
        sys.stdout.write(f"The role {ROLE} is there; {', '.join(GRANTED)} may see plugins.\n")
        return
    state = "made" if made else "there already; its password stays as it is"
    sys.stdout.write(f"The login {who.username} is {state}.\n")


if __name__ == "__main__":
    main()
