"""Bad input, cases 50 and 74 to 85: a package compared with the site's roster."""

from __future__ import annotations

import datetime as dt

from catalogue.case import BadInput, Verdict
from golden.school import SCHOOL, added, changed, person

_SESSIONS = {"y": "schoolYear", "t": "term"}
_ALONE = {"users.csv": SCHOOL["users.csv"]}
_HEADER = SCHOOL["users.csv"].split("\n", 1)[0]
_FORMULAS = ("=cmd|' /C calc'!A0", "+1", "-1", "@x", "<b>Bob</b>", "javascript:alert(1)")


def _people(
    *numbers: int, ids: str = "{:05}", given: str = "Given{}", mail: str = "p{}@example.org"
) -> dict[str, str]:
    """Return a users.csv of its own with a teacher for each number."""
    rows = (
        person(ids.format(n), username=f"p{n}", given=given.format(n), email=mail.format(n))
        for n in numbers
    )
    return {"users.csv": "\n".join((_HEADER, *rows)) + "\n"}


_TWENTY = range(1, 21)
_BEFORE = (_people(*_TWENTY),)


def _of_year(first: int, last: int, given: str = "Ann") -> dict[str, str]:
    """Return the school with a year and a term that begin and end some days from today."""
    today = dt.datetime.now(dt.UTC).date()
    header = SCHOOL["academicSessions.csv"].split("\n", 1)[0]
    begins, ends = (today + dt.timedelta(days) for days in (first, last))
    rows = (f"{i},,,Year,{kind},{begins},{ends},,2027" for i, kind in _SESSIONS.items())
    texts = changed(SCHOOL, "users.csv", ",Ann,", f",{given},")
    return {**texts, "academicSessions.csv": "\n".join((header, *rows)) + "\n"}


def _reordered(texts: dict[str, str]) -> dict[str, str]:
    """Return the same files and rows in the opposite order."""
    reordered = {}
    for name, text in reversed(texts.items()):
        header, *rows = text.splitlines()
        reordered[name] = "\n".join((header, *reversed(rows))) + "\n"
    return reordered


def _leaving(out: str) -> dict[str, str]:
    """Return a users.csv of its own without one person."""
    lines = SCHOOL["users.csv"].splitlines(keepends=True)
    return {"users.csv": "".join(line for line in lines if not line.startswith(f"{out},"))}


_NO_DAN, _NO_BOB = _leaving("dan"), _leaving("bob")

INPUTS = (
    BadInput(
        "a50-many",
        _people(*_TWENTY, ids="{}"),
        Verdict(
            "held",
            ("! guard.identity_shift | less than 10 % or fewer than 5, found 20 of 20 users",),
        ),
        before=_BEFORE,
    ),
    BadInput(
        "a50-one",
        {"users.csv": _people(*_TWENTY)["users.csv"].replace("\n00007,", "\n7,")},
        Verdict(
            "succeeded",
            became={
                "users": {"00007": "", "7": "active · Given7 Family · p7@example.org · teacher"}
            },
        ),
        before=_BEFORE,
    ),
    BadInput(
        "a74-many",
        _people(*_TWENTY, given="Other{}", mail="q{}@example.org"),
        Verdict(
            "held", ("! guard.updates | less than 75 % or fewer than 20, found 20 of 20 users",)
        ),
        before=_BEFORE,
    ),
    BadInput(
        "a74-one",
        changed(
            _ALONE, "users.csv", "bob,,Bob,Ray,,,bob@example.org", "may,,May,Poe,,,may@example.org"
        ),
        Verdict(
            "succeeded_with_errors",
            (
                "! semantic.identity_reuse users.csv 3 sourcedId bob | the person who has this sourcedId; another person needs another sourcedId",
            ),
            errors={"users": 1},
        ),
        before=(_ALONE,),
    ),
    BadInput(
        "a75-other-district",
        _people(*range(101, 121)),
        Verdict(
            "held",
            (
                "! guard.removals | less than 10 % or fewer than 5, found 20 of 20 users",
                "! guard.additions | less than 25 % or fewer than 20, found 20 of 20 users",
                "! guard.wrong_source | at least 50 % of the known sourcedIds, found 0 of 20 users",
            ),
        ),
        before=_BEFORE,
    ),
    BadInput(
        "a76-next-year",
        _of_year(200, 400, "Anna"),
        Verdict("held", ("! guard.other_year | sessions around …",)),
        before=(_of_year(-60, 60),),
    ),
    BadInput(
        "a76-last-year",
        _of_year(-500, -300, "Anna"),
        Verdict("held", ("! guard.other_year | sessions around …",)),
        before=(_of_year(-60, 60),),
    ),
    BadInput(
        "a77-half",
        _people(*range(1, 11)),
        Verdict(
            "held", ("! guard.removals | less than 10 % or fewer than 5, found 10 of 20 users",)
        ),
        before=_BEFORE,
    ),
    BadInput(
        "a77-cap",
        _people(*range(1, 20)),
        Verdict("held", ("! guard.removals | at most 0, found 1 of 20 users",)),
        before=_BEFORE,
        preferences=('guards={"users": {"cap": 0}}',),
    ),
    BadInput(
        "a78-first",
        SCHOOL,
        Verdict(
            "succeeded",
            became={
                "users": {
                    "ann": "active · Ann Lee · ann@example.org · teacher",
                    "bob": "active · Bob Ray · bob@example.org · teacher",
                    "cat": "active · Cat Orr · cat@example.org · aide",
                    "dan": "active · Dan Fox · dan@example.org · administrator",
                },
                "courses": {"art": "active · Art · A1", "maths": "active · Mathematics · M1"},
                "assignments": {"bob art": "active", "ann maths": "active"},
            },
            remembers=("orgs", "classes", "enrollments"),
        ),
        before=(),
    ),
    BadInput(
        "a79-errors",
        {
            "users.csv": _people(*_TWENTY)["users.csv"]
            .replace("true", "perhaps", 6)
            .replace("Given9", "Gwen")
        },
        Verdict(
            "held",
            (
                "! row.invalid_boolean users.csv 2 enabledUser 00001 | true or false",
                "! row.invalid_boolean users.csv 3 enabledUser 00002 | true or false",
                "! row.invalid_boolean users.csv 4 enabledUser 00003 | true or false",
                "! row.invalid_boolean users.csv 5 enabledUser 00004 | true or false",
                "! row.invalid_boolean users.csv 6 enabledUser 00005 | true or false",
                "! row.invalid_boolean users.csv 7 enabledUser 00006 | true or false",
                "! guard.error_rate | at most 5 % with errors, found 6 of 20 users.csv",
            ),
            errors={"users": 6},
        ),
        before=_BEFORE,
    ),
    BadInput(
        "a80-admin-missing",
        _NO_DAN,
        Verdict("no_changes", ("~ semantic.credited_admin_kept users.csv - - dan",)),
        before=(_ALONE,),
        preferences=("credited_admin=dan@example.org",),
    ),
    BadInput(
        "a80-admin-disabled",
        changed(_ALONE, "users.csv", "dan,,,true", "dan,,,false"),
        Verdict("no_changes", ("~ semantic.credited_admin_kept users.csv - - dan",)),
        before=(_ALONE,),
        preferences=("credited_admin=dan@example.org",),
    ),
    BadInput(
        "a81-hand-made",
        added(_ALONE, "users.csv", person("eve")),
        Verdict(
            "succeeded",
            became={
                "users": {
                    "eve@example.org": "",
                    "eve": "active · Eva Hand · eve@example.org · teacher · hand-made",
                }
            },
        ),
        before=(_ALONE,),
        accounts=("eve@example.org",),
    ),
    BadInput(
        "a82-users-alone",
        _NO_BOB,
        Verdict(
            "succeeded", became={"users": {"bob": "inactive · Bob Ray · bob@example.org · teacher"}}
        ),
    ),
    BadInput(
        "a83-formulas",
        added(
            _ALONE,
            "users.csv",
            *(person(f"f{n}", given=f'"{given}"') for n, given in enumerate(_FORMULAS)),
        ),
        Verdict(
            "succeeded",
            became={
                "users": {
                    "f0": "active · =cmd|' /C calc'!A0 Family · f0@example.org · teacher",
                    "f1": "active · +1 Family · f1@example.org · teacher",
                    "f2": "active · -1 Family · f2@example.org · teacher",
                    "f3": "active · @x Family · f3@example.org · teacher",
                    "f4": "active · <b>Bob</b> Family · f4@example.org · teacher",
                    "f5": "active · javascript:alert(1) Family · f5@example.org · teacher",
                }
            },
        ),
        before=(_ALONE,),
    ),
    BadInput("a84-again", SCHOOL, Verdict("no_changes")),
    BadInput("a85-reordered", _reordered(SCHOOL), Verdict("no_changes")),
)
