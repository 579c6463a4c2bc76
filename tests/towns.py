"""A small district as a package, and sites that run syncs on the command line."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from live import Live

HOME = "/plugin/oneroster"
"""The path of the pages in Airflow."""


def district(
    teachers: int = 20,
    *,
    lacks: int = 0,
    changed: int = 0,
    wrong: tuple[str, ...] = (),
    enrolled: tuple[str, ...] = (),
) -> dict[str, list[dict[str, str]]]:
    """Return a package: teachers, of whom the first may be missing or renamed; a course each.

    Args:
        teachers: The number of teachers.
        lacks: How many of them are missing.
        changed: How many of the remaining ones have another name.
        wrong: Additional, faulty rows of users.csv.
        enrolled: Users with additional enrollments in the first class.
    """
    ids = range(lacks, teachers)
    names = ["sourcedId", "orgSourcedIds", "role", "givenName", "familyName", "email"]
    users = [
        {
            "sourcedId": f"t{n}",
            "orgSourcedIds": "lake",
            "role": "teacher",
            "givenName": "Ann" if n < lacks + changed else "Kim",
            "familyName": f"Lee {n}",
            "email": f"t{n}@x.org",
        }
        for n in ids
    ]
    users += [dict(zip(names, row.split(","), strict=True)) for row in wrong]
    every = range(teachers)
    return {
        "orgs": [{"sourcedId": "lake", "name": "Lake School", "type": "school"}],
        "users": users,
        "courses": [
            {"sourcedId": f"c{n}", "title": f"Course {n}", "orgSourcedId": "lake"} for n in every
        ],
        "classes": [
            {"sourcedId": f"k{n}", "title": f"Class {n}", "courseSourcedId": f"c{n}"} for n in every
        ],
        "enrollments": [
            {"sourcedId": f"e{n}", "classSourcedId": f"k{n}", "userSourcedId": f"t{n}"}
            | {"role": "teacher", "schoolSourcedId": "lake"}
            for n in ids
        ]
        + [
            {"sourcedId": f"e-{id_}", "classSourcedId": "k0", "userSourcedId": id_}
            | {"role": "teacher", "schoolSourcedId": "lake"}
            for id_ in enrolled
        ],
    }


def packed(package: Mapping[str, list[dict[str, str]]]) -> bytes:
    """Return a package as a zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, rows in package.items():
            text = io.StringIO()
            writer = csv.DictWriter(text, rows[0])
            writer.writeheader()
            writer.writerows(rows)
            archive.writestr(f"{name}.csv", text.getvalue())
    return made.getvalue()


class Town:
    """A site that runs syncs on the command line, so that no test waits for a DAG."""

    def __init__(self, live: Live, folder: Path, name: str) -> None:
        self.live, self.name, self._path = live, name, folder / f"{name}.zip"
        live.oneroster("init", "--site", name, "--admin", "admin@example.org")

    @property
    def home(self) -> str:
        """The address of the site's page."""
        return f"{self.live.origin}{HOME}/sites/{self.name}"

    def sync(self, *words: str, **package: Any) -> dict[str, Any]:
        """Sync a package, and return its run from the API."""
        self._path.write_bytes(packed(district(**package)))
        command = words or ("sync",)
        run = self.live.oneroster(*command, str(self._path), "--site", self.name)
        found: dict[str, Any] = self.live.admin.get(f"runs/{run['run_id']}")
        return found

    def page_of(self, run: Mapping[str, Any], tab: str = "overview") -> str:
        """Return the address of a run's page."""
        return f"{self.live.origin}{HOME}/runs/{run['run_id']}?tab={tab}"
