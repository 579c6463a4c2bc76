"""A site's preferences: what an administrator decides about its syncs.

Every setting of the preferences page is a field here, with its default. The store keeps them
(`oneroster_sync.sites.preferences_store`), the schedule is computed from them
(`oneroster_sync.sites.schedule`), and a run works with the copy that was in force when it began.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Self

from pydantic import (
    Field,
    StringConstraints,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from oneroster_sync.identifiers import PATTERN
from oneroster_sync.sites.choices import (
    DateOrder,
    Delimiter,
    Encoding,
    Profile,
    Scope,
    StartedBy,
    TeacherPermission,
    Topic,
    Weekday,
)
from oneroster_sync.sites.thresholds import Frozen, Guards, Text
from oneroster_sync.sources.url import SFTP, After, SourceUrl, scheme_of

__all__ = [
    "SETTINGS",
    "STORED",
    "Address",
    "After",
    "ConnectionId",
    "DateOrder",
    "Delimiter",
    "Encoding",
    "Guards",
    "Notices",
    "PauseWindow",
    "Preferences",
    "Profile",
    "Scope",
    "Settings",
    "StartedBy",
    "TeacherPermission",
    "Topic",
    "Weekday",
]


class PauseWindow(Frozen):
    """Days without scheduled syncs, such as the summer break: both ends included, in UTC."""

    first_on: dt.date
    last_on: dt.date
    note: Annotated[Text, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_on < self.first_on:
            raise ValueError(
                f"a pause window ends on {self.last_on}, before its first day {self.first_on}"
            )
        return self

    def covers(self, day: dt.date) -> bool:
        """Tell whether `day` lies in the window."""
        return self.first_on <= day <= self.last_on


Address = Annotated[
    str,
    StringConstraints(
        max_length=320, pattern=r"^[^\s@,;<>\x00-\x1f\x7f]+@[^\s@,;<>\x00-\x1f\x7f]+$"
    ),
]
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]


class Notices(Frozen):
    """Who is told, of what, and by which way."""

    recipients: Annotated[tuple[Address, ...], Field(max_length=50)] = ()
    """E-mail addresses."""
    channels: Annotated[tuple[ConnectionId, ...], Field(max_length=20)] = ()
    """Airflow connections of Apprise: Slack, Teams, webhooks and the like."""
    topics: tuple[Topic, ...] = tuple(Topic)
    errors_from: Annotated[int, Field(ge=1)] = 20
    """From so many rows with errors on a run has many."""

    @field_validator("topics")
    @classmethod
    def _topics_in_order(cls, topics: tuple[Topic, ...]) -> tuple[Topic, ...]:
        return tuple(topic for topic in Topic if topic in topics)


class Settings(Frozen):
    """Everything that an administrator decides about a site's syncs."""

    credited_admin: Annotated[Text, Field(max_length=320)] | None = None
    """E-mail of the administrator recorded as author of every change; a run needs one."""
    days: tuple[Weekday, ...] = (
        Weekday.MONDAY,
        Weekday.TUESDAY,
        Weekday.WEDNESDAY,
        Weekday.THURSDAY,
        Weekday.FRIDAY,
    )
    time_utc: dt.time = dt.time(2, 0)
    pause_windows: Annotated[tuple[PauseWindow, ...], Field(max_length=100)] = ()
    scope: Scope = Scope.USERS_AND_COURSES
    teacher_permission: TeacherPermission = TeacherPermission.UNITS_AND_LESSONS
    profile: Profile = Profile.TOLERANT
    assignment_roles: tuple[str, ...] = ("teacher",)
    """Enrollment roles that make a course assignment: teacher, by choice aide, administrator."""
    adopt_accounts: bool = False
    """Whether a hand-made account that a package names is managed by the sync from then on."""
    guards: Guards = Guards()
    approval_hours: Annotated[int, Field(ge=1, le=24 * 60)] = 72
    """How long a held plan waits; one that nobody decided by then is discarded."""
    create_only_until: dt.date | None = None
    """The last day, in UTC, on which syncs only add: for the rollover to the next school year."""
    expire_ended_terms: bool = True
    """Whether assignments end uncounted with the terms of their classes, as no mass removal."""
    stale_protection_runs: Annotated[int, Field(ge=1, le=1000)] = 14
    """After how many bulk runs a record that only a broken row protects is listed as stale."""
    stale_after_days: Annotated[int, Field(ge=1, le=365)] | None = 7
    """After how many days without a new package people are told; None means never."""
    done_within_hours: Annotated[int, Field(ge=1, le=24)] | None = None
    """In how many hours a scheduled sync has to be done, or people are told; None means never."""
    notices: Notices = Notices()
    source: Annotated[Text, Field(max_length=1000)] | None = None
    """Where scheduled syncs find their package: a path or URL of a file, or of a folder."""
    source_connection: Annotated[ConnectionId | None, Field(validate_default=True)] = None
    """Airflow connection with the source's login; secrets stand nowhere else."""
    source_pattern: Annotated[Text, Field(min_length=1, max_length=200)] = "*.zip"
    """What the names of packages are like, whatever the size of letters: of those the newest."""
    source_after: After = After.LEAVE
    """What becomes of a package whose run ended well."""
    started_by: StartedBy = StartedBy.SCHEDULE
    """Whether a new package at the source starts a sync, beside the schedule or in its place."""

    encoding: Encoding = Encoding.UTF_8
    """Of the files, if the SIS can't write UTF-8. Strict ignores this and the next two settings."""
    delimiter: Delimiter = Delimiter.COMMA
    """Between values, if the SIS can't write commas."""
    date_order: DateOrder = DateOrder.ISO
    """Of numeric dates, if the SIS can't write YYYY-MM-DD."""

    def in_use(self) -> frozenset[str]:
        """Return the settings by which some columns of a package decide, as suites name them.

        Every site has a threshold for each school; only one that the site set itself says that
        people rely on it. Otherwise a school that can't be read would keep teachers out.
        """
        uses = {
            "guards.school": self.guards.school != Guards().school,
            "expire_ended_terms": self.expire_ended_terms,
        }
        return frozenset(name for name, is_used in uses.items() if is_used)

    @field_validator("days")
    @classmethod
    def _days_in_order(cls, days: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
        if not days:
            raise ValueError("at least one day of the week is needed")
        return tuple(day for day in Weekday if day in days)

    @field_validator("scope")
    @classmethod
    def _a_site_scope(cls, scope: Scope) -> Scope:
        if scope is Scope.COURSES:
            raise ValueError("a site processes users, or users_and_courses")
        return scope

    @field_validator("time_utc")
    @classmethod
    def _whole_minutes(cls, time_utc: dt.time) -> dt.time:
        if time_utc.tzinfo is not None or time_utc.second or time_utc.microsecond:
            raise ValueError("the time is hours and minutes, in UTC, without a zone")
        return time_utc

    @field_validator("assignment_roles")
    @classmethod
    def _known_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        known = ("teacher", "aide", "administrator")
        if "teacher" not in roles or not set(roles) <= set(known):
            raise ValueError(
                f"course assignments come from teacher, and by choice from {known[1:]}"
            )
        return tuple(role for role in known if role in roles)

    @field_validator("source")
    @classmethod
    def _no_secret_in_it(cls, source: str | None, info: ValidationInfo) -> str | None:
        if source is not None and info.context != STORED:
            SourceUrl.parse(source)
        return source

    @field_validator("source_connection")
    @classmethod
    def _has_login(cls, connection: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if connection is None and info.context != STORED and scheme_of(source or "") == SFTP:
            raise ValueError(
                "sftp:// needs an Airflow connection, with the login and the server's host key"
            )
        return connection

    @field_validator("source_pattern")
    @classmethod
    def _of_a_name(cls, pattern: str) -> str:
        if "/" in pattern or not pattern.strip():
            raise ValueError("a pattern is of a file's name, such as *.zip; folders go to source")
        return pattern

    @field_validator("source_after")
    @classmethod
    def _can_move(cls, after: After, info: ValidationInfo) -> After:
        source = info.data.get("source") if info.context != STORED else None
        if after is After.MOVE and source and not SourceUrl.parse(source).can_move:
            raise ValueError("nothing can be moved at https://; leave it there")
        return after

    @field_validator("started_by")
    @classmethod
    def _has_source(cls, started_by: StartedBy, info: ValidationInfo) -> StartedBy:
        is_watched = started_by is not StartedBy.SCHEDULE
        if is_watched and info.context != STORED and info.data.get("source") is None:
            raise ValueError("a new file can start syncs only of a site that has a source")
        return started_by

    @field_serializer("time_utc", when_used="json")
    def _hours_and_minutes(self, time_utc: dt.time) -> str:
        return f"{time_utc:%H:%M}"


class Preferences(Settings):
    """All settings of one site, as they stood when they were read.

    `version` counts the saves, so that of two people who save at once the second is told.
    """

    site: Annotated[str, Field(pattern=PATTERN)]
    version: int = 0

    def settings(self) -> Settings:
        """Return what can be saved."""
        return Settings.model_construct(**{name: getattr(self, name) for name in SETTINGS})


SETTINGS = tuple(Settings.model_fields)
STORED = {"stored": True}
"""The context in which what was saved once is read: what a source may be is not judged again."""
