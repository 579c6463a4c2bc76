"""Thresholds: from how many changes on a plan needs a person's approval.

`stages/review` compares a plan with them; an administrator sets them in a site's preferences.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of text."""


class Frozen(BaseModel):
    """Base of the models of preferences: immutable, and without unknown fields."""

    # An input may contain a secret, so error messages do not repeat it.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class Limit(Frozen):
    """Threshold for changes of one kind.

    A plan is held if the changes are at least `percent` of the active managed records *and* at
    least `minimum` records, or if they are more than `cap` records.
    """

    percent: Annotated[float, Field(ge=0, le=100)] = 10.0
    minimum: Annotated[int, Field(ge=1)] = 5
    cap: Annotated[int, Field(ge=0)] | None = None


class RaisedLimit(Frozen):
    """A temporary limit for removals; afterwards the site's own limits apply again.

    It replaces the percentages and the caps of removals, in the site and in its schools. Removals
    of exactly `percent` pass: with 100 % all records of a school may be removed.
    """

    percent: Annotated[float, Field(ge=0, le=100)]
    until: dt.date | None = None
    """The last day, in UTC; None means only the next run that is applied."""
    note: Annotated[Text, Field(max_length=200)] = ""

    def holds_on(self, day: dt.date) -> bool:
        """Return whether the limit applies on `day`."""
        return self.until is None or day <= self.until


class Guards(Frozen):
    """The thresholds of a site; a plan beyond one of them is held."""

    users: Limit = Limit()
    """Users deactivated."""
    courses: Limit = Limit()
    """Courses removed."""
    assignments: Limit = Limit()
    """Course assignments removed."""
    school: Limit = Limit(percent=50)
    """Users, courses or assignments of one school that are removed, each relative to the school."""
    updated_users: Limit = Limit(percent=75, minimum=20)
    """Users whose fields change."""
    updated_courses: Limit = Limit(percent=75, minimum=20)
    """Courses whose fields change."""
    week: Limit = Limit(percent=20, minimum=10)
    """Users, courses or assignments removed within seven days without a person's approval."""
    added_users: Limit = Limit(percent=25, minimum=20)
    """Users added, in one run or within seven days; not in a site's first sync."""
    reactivated_users: Limit = Limit(percent=5, minimum=5)
    """Users reactivated, in one run or within seven days, except those who were only absent."""
    changed_roles: Limit = Limit(percent=25, minimum=5)
    """Users whose role on the platform changes."""
    moved_terms: Limit = Limit(percent=10, minimum=5)
    """Active assignments whose classes would end more than 14 days earlier than before."""
    sourced_ids: Limit = Limit()
    """Records whose sourcedId would change; with so many, users are matched by login alone."""
    error_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    """Percentage of a file's rows with an error."""
    known_percent: Annotated[float, Field(ge=0, le=100)] = 50.0
    """Minimum percentage of the known sourcedIds that a bulk file must contain."""
    removals_wait: bool = False
    """Whether the rest of a plan is applied while removals beyond a limit wait for approval."""
    raised: RaisedLimit | None = None
    """Temporary limit for removals that replaces the above."""
