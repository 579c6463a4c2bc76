"""Enumerations for a site's preferences, without further imports."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """Record types that a sync processes."""

    USERS = "users"
    USERS_AND_COURSES = "users_and_courses"
    COURSES = "courses"
    """Only for an upload of a single courses.csv; a site can't be set to this scope."""


class TeacherPermission(StrEnum):
    """Permission of a teacher in a course made by OneRoster."""

    UNITS_AND_LESSONS = "units_and_lessons"
    LESSONS_ONLY = "lessons_only"


class Profile(StrEnum):
    """How strictly a package must follow the standard."""

    TOLERANT = "tolerant"
    STRICT = "strict"


class Weekday(StrEnum):
    """A day of the week, in the order of `datetime.date.weekday`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Encoding(StrEnum):
    """Character encoding of the SIS's files."""

    UTF_8 = "utf-8"
    WINDOWS_1252 = "windows-1252"


class Delimiter(StrEnum):
    """Character between the values of a row."""

    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    BAR = "bar"

    @property
    def character(self) -> str:
        """The delimiter as a character."""
        return {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}[self.value]


class DateOrder(StrEnum):
    """Order of day, month and year in the SIS's dates."""

    ISO = "iso"
    """YYYY-MM-DD, as the standard requires."""
    MONTH_FIRST = "month_first"
    """MM/DD/YYYY"""
    DAY_FIRST = "day_first"
    """DD/MM/YYYY"""


class StartedBy(StrEnum):
    """What starts the automatic syncs of a site."""

    SCHEDULE = "schedule"
    """The chosen days and time."""
    NEW_FILE = "new_file"
    """A new package at the source, instead of the schedule."""
    BOTH = "both"
    """The schedule, and a new package at the source."""


class Topic(StrEnum):
    """Topic of a notification."""

    HELD = "held"
    """A plan waits for a decision."""
    FAILED = "failed"
    """A run failed."""
    REJECTED = "rejected"
    """A package can't be used."""
    ERRORS = "errors"
    """A run had many rows with errors."""
    STALE = "stale"
    """No new package has arrived for days."""
    UNAPPLIED = "unapplied"
    """Several syncs in a row were not applied."""
    DIGEST = "digest"
    """The weekly digest."""
