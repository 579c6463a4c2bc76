"""Bad input, case 57: deltas that arrive late or out of order."""

from __future__ import annotations

from catalogue.case import BadInput, Verdict
from golden.school import SCHOOL, as_delta

_STALE = "a time not before that of the change that is known"


def _bob(family: str, day: int) -> str:
    """Return Bob's row of a delta, last modified on a day of September."""
    return (
        f"bob,active,2026-09-0{day}T00:00:00.000Z,true,s,teacher,bob,,Bob,{family},,,"
        "bob@example.org,,,,,"
    )


def _gone(sourced_id: str, day: int, columns: int) -> str:
    """Return a delta row that removes a record, with no other values."""
    return f"{sourced_id},tobedeleted,2026-09-0{day}T00:00:00Z" + "," * (columns - 3)


_THIRD = as_delta(SCHOOL, users=[_bob("Roe", 3)])
_LEFT = as_delta(SCHOOL, users=[_gone("bob", 3, 18)], enrollments=[_gone("bob-a1", 3, 10)])

INPUTS = (
    BadInput(
        "a57-older",
        as_delta(
            SCHOOL,
            users=[
                _bob("Ray", 1),
                "cat,active,2026-09-01T00:00:00Z,true,s,aide,cat,,Cat,Oz,,,cat@example.org,,,,,",
            ],
        ),
        Verdict(
            "succeeded",
            (f"~ semantic.stale_change users.csv 2 dateLastModified bob | {_STALE}",),
            became={"users": {"cat": "active · Cat Oz · cat@example.org · aide"}},
            remembers=("modified",),
        ),
        before=(SCHOOL, _THIRD),
    ),
    BadInput(
        "a57-back-from-the-dead",
        as_delta(
            SCHOOL,
            users=[_bob("Ray", 1)],
            enrollments=["bob-a1,active,2026-09-02T23:59:59.999Z,a1,s,bob,teacher,true,,"],
        ),
        Verdict(
            "no_changes",
            (
                f"~ semantic.stale_change users.csv 2 dateLastModified bob | {_STALE}",
                f"~ semantic.stale_change enrollments.csv 2 dateLastModified bob-a1 | {_STALE}",
            ),
        ),
        before=(SCHOOL, _LEFT),
    ),
    BadInput(
        "a57-late-removal",
        as_delta(
            SCHOOL,
            users=[_gone("bob", 2, 18)],
            enrollments=["bob-m1,active,2026-09-04T00:00:00Z,m1,s,bob,teacher,false,,"],
        ),
        Verdict(
            "succeeded",
            (f"~ semantic.stale_change users.csv 2 dateLastModified bob | {_STALE}",),
            became={"assignments": {"bob maths": "active"}},
            remembers=("enrollments", "modified"),
        ),
        before=(SCHOOL, _THIRD),
    ),
    BadInput(
        "a57-another-zone",
        as_delta(
            SCHOOL, users=[_bob("Ray", 3).replace("03T00:00:00.000Z", "03T01:30:00.000+02:00")]
        ),
        Verdict(
            "no_changes",
            (f"~ semantic.stale_change users.csv 2 dateLastModified bob | {_STALE}",),
        ),
        before=(SCHOOL, _THIRD),
    ),
    BadInput("a57-the-same-again", _THIRD, Verdict("no_changes"), before=(SCHOOL, _THIRD)),
    BadInput(
        "a57-after-a-bulk",
        as_delta(SCHOOL, users=[_bob("Roy", 1)]),
        Verdict(
            "succeeded",
            became={"users": {"bob": "active · Bob Roy · bob@example.org · teacher"}},
            remembers=("modified",),
        ),
        before=(SCHOOL, _THIRD, SCHOOL),
    ),
)
