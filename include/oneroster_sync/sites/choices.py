"""What can be chosen in a site's preferences, for whoever needs the words alone."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """What a sync processes."""

    USERS = "users"
    USERS_AND_COURSES = "users_and_courses"
    COURSES = "courses"
    """Only for an upload of a lone courses.csv; never a site's own setting."""


class TeacherPermission(StrEnum):
    """What a teacher may edit in a course made by OneRoster."""

    UNITS_AND_LESSONS = "units_and_lessons"
    LESSONS_ONLY = "lessons_only"


class Profile(StrEnum):
    """How strictly a package is held to the standard."""

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
        """The character itself."""
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
    """What starts the syncs of a site by itself."""

    SCHEDULE = "schedule"
    """The days and the time."""
    NEW_FILE = "new_file"
    """A package that arrives at the source, in place of the schedule."""
    BOTH = "both"
    """The schedule, and a package that arrives between its syncs."""


class Topic(StrEnum):
    """What people are told of."""

    HELD = "held"
    """A plan waits for a decision."""
    FAILED = "failed"
    """A run could not go on."""
    REJECTED = "rejected"
    """A package can't be used."""
    ERRORS = "errors"
    """A run met many rows that it could not use."""
    STALE = "stale"
    """No new package has come for days."""
    UNAPPLIED = "unapplied"
    """Several syncs in a row were not applied."""
    DIGEST = "digest"
    """Once a week, what has been."""
