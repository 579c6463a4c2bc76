"""What all messages of a site have in common: its name in the subject, links and local times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneroster_sync.notifications.message import Link, Message
from oneroster_sync.sites import preferences_store, registry
from oneroster_sync.sites.time_zone import format_moment

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

    from oneroster_sync.notifications.message import Part
    from oneroster_sync.sites.preferences import Preferences

PAGES = "/plugin/oneroster"
"""Path of the pages in Airflow."""
_FACT = 120
"""Maximum length of the fact in a subject: mail programs show little more, and cut the rest off."""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The site that a message is about, as people know it.

    Attributes:
        site: The name in addresses and commands.
        name: The display name.
        time_zone: IANA name of the site's zone; None for UTC alone.
        base_url: Public base URL of Airflow.
    """

    site: str
    name: str
    time_zone: str | None
    base_url: str

    @classmethod
    def of(cls, chosen: Preferences, name: str | None, base_url: str) -> Letterhead:
        """Return the letterhead of a site with these preferences and this display name."""
        return cls(chosen.site, name or chosen.site, chosen.time_zone, base_url.rstrip("/"))

    @classmethod
    def load(cls, connection: Connection, site: str, *, base_url: str) -> Letterhead:
        """Return the letterhead of a site.

        Raises:
            UnknownSiteError: The site does not exist.
        """
        found = registry.find(connection, site)
        chosen = preferences_store.load(connection, site)
        return cls.of(chosen, found.title if found else None, base_url)

    def message(self, fact: str, *parts: Part) -> Message:
        """Return a message whose subject is a fact, followed by the name of the site."""
        return Message(f"{_shorten(fact)} — {self.name}", parts)

    def moment(self, at: dt.datetime) -> str:
        """Format a moment in UTC, with the time in the site's zone beside it."""
        return format_moment(at, self.time_zone)

    def run_link(self, label: str, run_id: str) -> Link:
        """Return a link to the page of a run."""
        return Link(label, f"{self.base_url}{PAGES}/runs/{run_id}")

    def site_link(self, label: str = "Recent synchronizations", page: str = "") -> Link:
        """Return a link to a page of the site."""
        return Link(label, f"{self.base_url}{PAGES}/sites/{self.site}{page}")

    def airflow_link(self, label: str, page: str) -> Link:
        """Return a link to a page of Airflow's own."""
        return Link(label, f"{self.base_url}{page}")


def _shorten(fact: str) -> str:
    line = " ".join(fact.split()).rstrip(".")
    return line if len(line) <= _FACT else f"{line[: _FACT - 1].rstrip()}…"
