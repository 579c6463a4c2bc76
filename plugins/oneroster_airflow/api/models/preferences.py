"""The shapes of requests and answers that are of a site's preferences."""

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
    """A sync that is due and what is special about it, or the first of those that a pause skips."""

    at: dt.datetime
    skipped_because: str | None
    notes: list[str] = []


class UpcomingList(BaseModel):
    """What comes next."""

    upcoming: list[Upcoming]


class Schedule(_Body):
    """A calendar that may not have been saved: days, time, pauses, a rollover, a raised limit."""

    days: Annotated[list[Weekday], Field(max_length=7)]
    time_utc: dt.time
    pause_windows: Annotated[list[PauseWindow], Field(max_length=100)] = []
    create_only_until: dt.date | None = None
    raised: RaisedLimit | None = None
    started_by: StartedBy = StartedBy.SCHEDULE


Month = Annotated[str, StringConstraints(pattern=r"^2\d{3}-(0[1-9]|1[0-2])$")]


class CalendarPreview(Schedule):
    """A schedule that may not have been saved, and the months of which the days are asked."""

    month: Month
    months: Annotated[int, Field(ge=1, le=12)] = 1


class CalendarDay(BaseModel):
    """A day in UTC: the sync that is due, or that a pause skips, and what else counts on it."""

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
    """From how many of so many records on a plan is held; None where all of them may go."""

    of: int
    held_from: int | None


class ThresholdExamples(BaseModel):
    """What thresholds come to: in the site's own roster, or in examples while it has none.

    `known` says how many of the known records a file must hold at least.
    """

    is_example: bool
    guards: dict[str, list[HeldFrom]]
    errors: HeldFrom
    known: HeldFrom


class ProposedPause(BaseModel):
    """A pause that is not planned yet, after the last day of the school year."""

    first_on: dt.date
    last_on: dt.date
    year_ends_on: dt.date


class PreferencesState(BaseModel):
    """A site's preferences as they stand, and what follows from them."""

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
    """Preferences to be saved, and the version that they were made from."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    settings: Settings


class Enabled(_Body):
    """Whether scheduled syncs run."""

    enabled: bool


class EnabledState(BaseModel):
    """Whether scheduled syncs run, and when the next one is."""

    enabled: bool
    next_run: dt.datetime | None


class Save(BaseModel):
    """Something that a person did to a site."""

    at: dt.datetime
    actor: str
    event: str
    changes: list[FieldChange]


class Saves(BaseModel):
    """What people did to a site, the newest first."""

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
