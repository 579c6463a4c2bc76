"""Models of requests and answers about a site's preferences."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from oneroster_airflow.api.models.runs import FieldChange
from oneroster_sync.sites.preferences import PauseWindow, Settings, StartedBy, Weekday
from oneroster_sync.sites.thresholds import RaisedLimit


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Upcoming(BaseModel):
    """A future sync and what is special about it, or the first sync that a pause skips."""

    at: dt.datetime
    skipped_because: str | None
    notes: list[str] = []


class UpcomingList(BaseModel):
    """The next syncs."""

    upcoming: list[Upcoming]


class Schedule(_Body):
    """A schedule that may be unsaved: days, time, pauses, a rollover, a raised threshold."""

    days: Annotated[list[Weekday], Field(max_length=7)]
    time_utc: dt.time
    pause_windows: Annotated[list[PauseWindow], Field(max_length=100)] = []
    create_only_until: dt.date | None = None
    raised: RaisedLimit | None = None
    started_by: StartedBy = StartedBy.SCHEDULE


Month = Annotated[str, StringConstraints(pattern=r"^2\d{3}-(0[1-9]|1[0-2])$")]


class CalendarPreview(Schedule):
    """A schedule that may be unsaved, and the months to show."""

    month: Month
    months: Annotated[int, Field(ge=1, le=12)] = 1


class CalendarDay(BaseModel):
    """A day in UTC: its sync, or the sync that a pause skips, and other events."""

    day: dt.date
    due_at: dt.datetime | None
    skipped_at: dt.datetime | None
    pause: str | None
    adds_only: bool
    may_remove: float | None


class Calendar(BaseModel):
    """The days of a calendar."""

    days: list[CalendarDay]


class HeldFrom(BaseModel):
    """The number of changes, of so many records, from which a plan is held; None for no hold."""

    of: int
    held_from: int | None


class ThresholdExamples(BaseModel):
    """The effect of thresholds in the site's own roster, or in examples while it has none.

    `known` is the number of known records that a file must have at least.
    """

    is_example: bool
    guards: dict[str, list[HeldFrom]]
    errors: HeldFrom
    known: HeldFrom


class ProposedPause(BaseModel):
    """A suggested pause after the last day of the school year."""

    first_on: dt.date
    last_on: dt.date
    year_ends_on: dt.date


class PreferencesState(BaseModel):
    """A site's current preferences, and values that follow from them."""

    site: str
    version: int
    settings: Settings
    saved_at: dt.datetime
    saved_by: str
    archived_at: dt.datetime | None
    credited_admin_active: bool
    enabled: bool | None
    next_run: dt.datetime | None
    upcoming: list[Upcoming]
    proposed_pause: ProposedPause | None


class PreferencesSave(_Body):
    """Preferences to save, and the version that they are based on."""

    # The column is a 32-bit integer, and PostgreSQL raises an error for a larger number.
    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    settings: Settings


class Enabled(_Body):
    """Whether scheduled syncs run."""

    enabled: bool


class EnabledState(BaseModel):
    """Whether scheduled syncs run, and the time of the next one."""

    enabled: bool
    next_run: dt.datetime | None


class Save(BaseModel):
    """A change that a person made to a site."""

    at: dt.datetime
    actor: str
    event: str
    changes: list[FieldChange]


class Saves(BaseModel):
    """The changes that people made to a site, the newest first."""

    saves: list[Save]


class Account(BaseModel):
    """An active account of a site."""

    email: str
    name: str
    role: str
    managed: bool


class Accounts(BaseModel):
    """Accounts that a search found."""

    accounts: list[Account]
