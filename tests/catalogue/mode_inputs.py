"""Bad input, cases 86 to 88: files of different modes, removed rows, another person's row."""

from __future__ import annotations

from catalogue.case import BadInput, Verdict
from golden.school import SCHOOL, SCHOOL_1_2, as_delta, changed, manifest

_NOW = "2026-09-01T00:00:00.000Z"
_ALONE = {"users.csv": SCHOOL["users.csv"]}


def _user(row: str) -> str:
    """Return a row of a delta of users."""
    sourced_id, status, names, email = row.split(";")
    return f"{sourced_id},{status},{_NOW},true,s,teacher,{sourced_id},,{names},,,{email},,,,,"


INPUTS = (
    BadInput(
        "a86-roles-as-a-delta",
        {
            **as_delta(SCHOOL_1_2, roles=[f"r-cat,active,{_NOW},cat,primary,teacher,,,s,"]),
            "manifest.csv": manifest("1.2", users="bulk", roles="delta"),
            "users.csv": SCHOOL_1_2["users.csv"],
        },
        Verdict(
            "succeeded",
            became={"users": {"cat": "active · Cat Orr · cat@example.org · teacher"}},
            remembers=("modified", "roles"),
        ),
        before=(SCHOOL_1_2,),
    ),
    BadInput(
        "a87-address-of-a-leaver",
        as_delta(
            SCHOOL,
            users=[
                _user("bob;tobedeleted;Bob,Ray;bob@example.org"),
                _user("new;active;New,One;bob@example.org"),
            ],
        ),
        Verdict(
            "succeeded",
            became={
                "users": {
                    "bob": "inactive · Bob Ray · bob@example.org · teacher",
                    "new": "active · New One · bob@example.org · teacher",
                }
            },
            remembers=("modified",),
        ),
    ),
    BadInput(
        "a88-another-person",
        changed(
            changed(_ALONE, "users.csv", "bob,,Bob,Ray,,,bob@", "bob,,Zoe,Fay,,,zoe@"),
            "users.csv",
            "Cat,Orr",
            "Kit,Orr",
        ),
        Verdict(
            "succeeded_with_errors",
            (
                (
                    "! semantic.identity_reuse users.csv 3 sourcedId bob | the person who has this "
                    "sourcedId; another person needs another sourcedId"
                ),
            ),
            became={"users": {"cat": "active · Kit Orr · cat@example.org · aide"}},
            errors={"users": 1},
        ),
        before=(_ALONE,),
    ),
)
