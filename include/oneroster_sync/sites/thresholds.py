"""Thresholds: when changes are too many to apply without a person's approval.

`stages/review` judges a plan by them; an administrator sets them in the preferences of a site.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of text."""


class Frozen(BaseModel):
    """A part of the preferences: never changed, without fields of other names."""

    # What was given may hold a secret, so no message repeats it.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class Limit(Frozen):
    """When changes of one sort are too many to apply without a person's word.

    Held when they are at least `percent` of the active managed records *and* at least `minimum`
    records, or when they exceed `cap`, whatever the percentage.
    """

    percent: Annotated[float, Field(ge=0, le=100)] = 10.0
    minimum: Annotated[int, Field(ge=1)] = 5
    cap: Annotated[int, Field(ge=0)] | None = None


class RaisedLimit(Frozen):
    """Another limit for removals for a while; then the site's own count again by themselves.

    It replaces the percentages and the caps of removals, in the site and in its schools, and lets
    pass as much as it names: with 100 % a whole school may go.
    """

    percent: Annotated[float, Field(ge=0, le=100)]
    until: dt.date | None = None
    """The last day, in UTC; None means the next run that is applied, and no other."""
    note: Annotated[Text, Field(max_length=200)] = ""

    def holds_on(self, day: dt.date) -> bool:
        """Tell whether it counts on `day`."""
        return self.until is None or day <= self.until


class Guards(Frozen):
    """The site's limits; a plan beyond one of them is held."""

    users: Limit = Limit()
    """Users deactivated."""
    courses: Limit = Limit()
    """Courses removed."""
    assignments: Limit = Limit()
    """Course assignments removed."""
    school: Limit = Limit(percent=50)
    """Users, courses or assignments of one school that go, each against those of that school."""
    updated_users: Limit = Limit(percent=75, minimum=20)
    """Users whose fields change."""
    updated_courses: Limit = Limit(percent=75, minimum=20)
    """Courses whose fields change."""
    week: Limit = Limit(percent=20, minimum=10)
    """Users, courses or assignments that go within seven days without a person's approval."""
    added_users: Limit = Limit(percent=25, minimum=20)
    """Users added, in one run or within seven days; not by a site's first sync."""
    reactivated_users: Limit = Limit(percent=5, minimum=5)
    """Users reactivated, in one run or within seven days, but for those who were merely absent."""
    changed_roles: Limit = Limit(percent=25, minimum=5)
    """Users whose role on the platform changes."""
    moved_terms: Limit = Limit(percent=10, minimum=5)
    """Active assignments whose classes would end more than 14 days earlier than was known."""
    sourced_ids: Limit = Limit()
    """Records that would get another sourcedId; from here on they are proposed as the same."""
    error_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    """Rows of one file with an error, of the file's rows that count."""
    known_percent: Annotated[float, Field(ge=0, le=100)] = 50.0
    """Of the known sourcedIds, how many at least a bulk file must hold."""
    removals_wait: bool = False
    """Whether the rest of a plan goes on while removals beyond a limit wait for a person."""
    raised: RaisedLimit | None = None
    """Limits for removals that count for a while in place of the above."""
