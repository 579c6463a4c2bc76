"""A site's preferences: the settings of an administrator for the site's syncs.

Every setting of the preferences page is a field here, with its default.
`sites.preferences_store` stores them, and `sites.schedule` computes the schedule from them. A run
uses the copy that was in force when it began.
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
from oneroster_sync.sites.time_zone import list_zones
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
    """Days without automatic syncs, such as the summer break: in UTC, with both ends included."""

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
        """Return whether `day` is in the window."""
        return self.first_on <= day <= self.last_on


# One address: commas, angle brackets and line breaks would add recipients or headers to a mail. 320
# characters are the most that SMTP allows: 64 before the @, and 255 after it.
Address = Annotated[
    str,
    StringConstraints(
        max_length=320, pattern=r"^[^\s@,;<>\x00-\x1f\x7f]+@[^\s@,;<>\x00-\x1f\x7f]+$"
    ),
]
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]


class Notices(Frozen):
    """Recipients, channels and topics of notifications."""

    recipients: Annotated[tuple[Address, ...], Field(max_length=50)] = ()
    """E-mail addresses."""
    channels: Annotated[tuple[ConnectionId, ...], Field(max_length=20)] = ()
    """Ids of Airflow connections for Apprise: Slack, Teams, webhooks and others."""
    topics: tuple[Topic, ...] = tuple(Topic)
    errors_from: Annotated[int, Field(ge=1)] = 20
    """Notify from this number of rows with errors on (topic `errors`)."""

    @field_validator("topics")
    @classmethod
    def _topics_in_order(cls, topics: tuple[Topic, ...]) -> tuple[Topic, ...]:
        # One order, so that the same choice is an equal value: the audit and a sites plan show no
        # change.
        return tuple(topic for topic in Topic if topic in topics)


class Settings(Frozen):
    """All settings of a site's syncs."""

    credited_admin: Annotated[Text, Field(max_length=320)] | None = None
    """E-mail of the administrator who is recorded as author of all changes; a run needs one."""
    days: tuple[Weekday, ...] = (
        Weekday.MONDAY,
        Weekday.TUESDAY,
        Weekday.WEDNESDAY,
        Weekday.THURSDAY,
        Weekday.FRIDAY,
    )
    time_utc: dt.time = dt.time(2, 0)
    time_zone: Annotated[str, Field(max_length=100)] | None = None
    """IANA zone whose time texts show beside UTC; schedules and pauses stay in UTC."""
    pause_windows: Annotated[tuple[PauseWindow, ...], Field(max_length=100)] = ()
    scope: Scope = Scope.USERS_AND_COURSES
    teacher_permission: TeacherPermission = TeacherPermission.UNITS_AND_LESSONS
    profile: Profile = Profile.TOLERANT
    assignment_roles: tuple[str, ...] = ("teacher",)
    """Enrollment roles that make a course assignment: teacher, optionally aide, administrator."""
    adopt_accounts: bool = False
    """Whether the sync takes over hand-made accounts that match a person of the package."""
    guards: Guards = Guards()
    approval_hours: Annotated[int, Field(ge=1, le=24 * 60)] = 72
    """After how many hours without a decision a held plan is discarded."""
    create_only_until: dt.date | None = None
    """The last day (UTC) on which syncs only add records: for the rollover of the school year."""
    expire_ended_terms: bool = True
    """Whether assignments end with their classes' terms, without counting as mass removal."""
    stale_protection_runs: Annotated[int, Field(ge=1, le=1000)] = 14
    """After how many bulk runs a protected record is listed as stale."""
    stale_after_days: Annotated[int, Field(ge=1, le=365)] | None = 7
    """Notify after this number of days without a new package; None means never."""
    done_within_hours: Annotated[int, Field(ge=1, le=24)] | None = None
    """Notify if a scheduled sync is not done after this number of hours; None means never."""
    notices: Notices = Notices()
    # The source comes before what depends on it: a validator sees only the fields above its own.
    source: Annotated[Text, Field(max_length=1000)] | None = None
    """Path or URL of a file or a folder, from which automatic syncs read their package."""
    # The default is validated too, or a source that needs a login could be saved without one.
    source_connection: Annotated[ConnectionId | None, Field(validate_default=True)] = None
    """Airflow connection with the source's login; secrets are stored only there."""
    source_pattern: Annotated[Text, Field(min_length=1, max_length=200)] = "*.zip"
    """Pattern of package names in a folder, ignoring case; the newest match is read."""
    source_after: After = After.LEAVE
    """What to do with a package at the source after a successful run."""
    started_by: StartedBy = StartedBy.SCHEDULE
    """Whether the schedule, a new package at the source, or both start syncs."""

    encoding: Encoding = Encoding.UTF_8
    """Encoding of the files. The profile strict ignores this and the next two settings."""
    delimiter: Delimiter = Delimiter.COMMA
    """Delimiter, if the SIS can't write commas."""
    date_order: DateOrder = DateOrder.ISO
    """Order of numeric dates, if the SIS can't write YYYY-MM-DD."""

    def in_use(self) -> frozenset[str]:
        """Return the settings in use that suites name in `used_by`.

        With such a setting, an error in the column costs the row and not only the value. The
        threshold for each school counts as in use only if the site changed it, because every site
        has one: by default an error in the school must not quarantine a teacher.
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

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None, info: ValidationInfo) -> str | None:
        # A zone that is stored may be one that this machine no longer knows: it is not shown then.
        if zone is not None and info.context != STORED and zone not in list_zones():
            raise ValueError("use the name of a time zone, such as America/Chicago")
        return zone

    @field_validator("assignment_roles")
    @classmethod
    def _known_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        known = ("teacher", "aide", "administrator")
        if "teacher" not in roles or not set(roles) <= set(known):
            raise ValueError(
                f"course assignments come from teacher, and optionally from {known[1:]}"
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
            raise ValueError(
                "a pattern matches the names of files, such as *.zip; name folders in source"
            )
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
    """All settings of one site at the time when they were read.

    `version` counts the saves, so that the second of two people who save at once gets an error.
    """

    site: Annotated[str, Field(pattern=PATTERN)]
    version: int = 0

    def settings(self) -> Settings:
        """Return the settings without the site and the version."""
        # Not validated again: a stored source may be one that is refused today.
        return Settings.model_construct(**{name: getattr(self, name) for name in SETTINGS})


SETTINGS = tuple(Settings.model_fields)
STORED = {"stored": True}
"""Validation context for stored preferences: the source is not checked again."""
