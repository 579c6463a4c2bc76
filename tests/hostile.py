"""Values that are markup, script, style or a redirect on a page that does not escape them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from live import Live

ELSEWHERE = "evil.example"
PAYLOADS = (
    "<script>owned=1</script>",
    "<svg onload=owned=1>",
    "<img src=x onerror=owned=1>",
    f"<img src=//{ELSEWHERE}/x.png>",
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    '"><script>owned=1</script>',
    "' autofocus onfocus='owned=1' x='",
    "</script><script>owned=1</script>",
    "</textarea><script>owned=1</script>",
    "</title><svg/onload=owned=1>",
    "<a href=javascript:owned=1>me</a>",
    "javascript:owned=1",
    "data:text/html,<script>owned=1</script>",
    f"https://{ELSEWHERE}/",
    f"//{ELSEWHERE}/x",
    "{{constructor.constructor('owned=1')()}}",
    "${globalThis.owned=1}",
    "<%= owned=1 %>",
    "{% raw %}{{7*7}}",
    "&lt;script&gt;owned=1&lt;/script&gt;",
    "&#60;b&#62;&nbsp;&amp;",
    "<![CDATA[<script>owned=1</script>]]>",
    "<!-- owned",
    "<style>*{display:none}</style>",
    f"<link rel=stylesheet href=//{ELSEWHERE}/x.css>",
    f"<meta http-equiv=refresh content=0;url=//{ELSEWHERE}>",
    f"<base href=//{ELSEWHERE}/>",
    f"<form action=//{ELSEWHERE}><input autofocus onfocus=owned=1>",
    "<math><mtext><style><img src onerror=owned=1>",
    "[me](javascript:owned=1)",
    f"![x](https://{ELSEWHERE}/x.png)",
    "**bold** _it_ `code` # head",
    f'=HYPERLINK("https://{ELSEWHERE}")',
    "%3Cscript%3Eowned=1%3C/script%3E",
    "\u202egro.live\u202c",
    "\u0430nn\u200b\u2028\u0301\u0301",
    "W" * 200,
    "__proto__",
    "constructor",
    "\U0001f469\u200d\U0001f467",
)
NOTES = PAYLOADS[:12]
USERS = ("sourcedId", "enabledUser", "orgSourcedIds", "role", "username", "givenName")
NAMED = ("familyName", "email")


def package(*, broken: bool = False) -> bytes:
    """Return a package with every payload in every text column that the sync keeps.

    Args:
        broken: Whether the users' rows have errors and refer to missing records; names of files and
            headers are hostile too then. One teacher is valid, so that the file is usable.
    """
    numbered = list(enumerate(PAYLOADS))
    more = PAYLOADS if broken else ()
    flag, before = ("maybe", "!") if broken else ("true", "")
    sound = ("sound", "true", "o0", "teacher", "sound", "Sound", "Sound", "sound@x.org")
    class_of_sound = PAYLOADS[0]
    texts = {
        "orgs.csv": _csv(
            ("sourcedId", "name", "type", "identifier"),
            ((f"o{n}", text, "school", text) for n, text in numbered),
        ),
        "users.csv": _csv(
            (*USERS, *NAMED, *more),
            [
                *(
                    (before + text, flag, f"o{n}", "teacher", text, text, f"F{n}", f"p{n}@x.org")
                    + ("",) * len(more)
                    for n, text in numbered
                ),
                *([sound + ("",) * len(more)] if broken else []),
            ],
        ),
        "courses.csv": _csv(
            ("sourcedId", "title", "courseCode", "orgSourcedId"),
            ((text, text + before, text, f"o{n}") for n, text in numbered),
        ),
        "classes.csv": _csv(
            ("sourcedId", "title", "classCode", "courseSourcedId", "schoolSourcedId"),
            ((text, text, text, text, f"o{n}") for n, text in numbered),
        ),
        "enrollments.csv": _csv(
            ("sourcedId", "classSourcedId", "schoolSourcedId", "userSourcedId", "role"),
            [
                *(
                    (text, text, f"o{n}", f"{before}{before}{text}", "teacher")
                    for n, text in numbered
                ),
                *([("sound", class_of_sound, "o0", "sound", "teacher")] if broken else []),
            ],
        ),
    }
    names = [f"{text}.csv" for text in more if text.isprintable() and not set(text) & set("/:\\")]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in {**texts, **dict.fromkeys(names, "x\n")}.items():
            archive.writestr(name, text)
    return packed.getvalue()


def two_runs(live: Live, folder: Path) -> list[str]:
    """Let the site `hostile` have a run that was applied and one that was held and discarded.

    The notes of its preferences and the reason of the decision are markup as well.
    """
    site = ("--site", "hostile")
    windows = [
        {"first_on": f"2031-01-{n:02}", "last_on": f"2031-01-{n:02}", "note": text}
        for n, text in enumerate(NOTES, 1)
    ]
    live.oneroster("init", "--admin", "admin@example.org", *site)
    live.oneroster("preferences", "--set", f"pause_windows={json.dumps(windows)}", *site)
    found = []
    for broken in (False, True):
        path = folder / f"{broken}.zip"
        path.write_bytes(package(broken=broken))
        found.append(live.oneroster("sync", str(path), *site))
    assert [run["outcome"] for run in found] == ["succeeded", "held"]
    live.oneroster("discard", found[1]["run_id"], "--reason", PAYLOADS[2], *site)
    return [run["run_id"] for run in found]


def _csv(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([header, *rows])
    return written.getvalue()


def schools(*, without: int = 0) -> dict[str, str]:
    """Return a package of schools that have payloads as names, with six teachers each.

    Args:
        without: How many of the six teachers are missing, in each school.
    """
    names = [*PAYLOADS, f"x\u2028{PAYLOADS[0]}", "a\u2066b\u2069 c\u200bd"]
    rows = (
        (f"u{school}-{n}", f"o{school}", "teacher", f"G{n}", f"F{school}", f"u{school}.{n}@x.org")
        for school in range(len(names))
        for n in range(without, 6)
    )
    return {
        "orgs.csv": _csv(
            ("sourcedId", "name", "type"), ((f"o{n}", n_, "school") for n, n_ in enumerate(names))
        ),
        "users.csv": _csv(
            ("sourcedId", "orgSourcedIds", "role", "givenName", "familyName", "email"), rows
        ),
    }


ONLY_SCHOOLS = ("guards.users.minimum=1000000", "guards.school.cap=4")
"""Preferences that hold a plan for each school, and never for the site as a whole."""
