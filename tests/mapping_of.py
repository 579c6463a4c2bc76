"""Read and plan mappings written as a few lines of CSV, for tests of ids.csv and links.csv."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.diff.id_mappings import plan_of_mapping
from oneroster_sync.stages.extract.mapping_csv import read_mapping
from oneroster_sync.standard.kinds import MAPPINGS, Kind
from roster_of import roster_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.stages.diff.id_mappings import Mapped
    from oneroster_sync.stages.extract.package import Extracted

SITE = roster_of(
    users="""
        id,sourced_id,given_name,email,status,managed
        1,ann,Ann,ann@x.org,active,yes
        2,bob,Bob,bob@x.org,active,yes
        3,cec,Cec,cec@x.org,inactive,yes
        4,lea,Lea,lea@x.org,active,no
        5,,Max,max@x.org,active,no
        6,,Old,old@x.org,inactive,no
        7,zoe,Zoe,zoe@x.org,active,yes
    """,
    courses="""
        sourced_id,title,managed,status
        art,Art,yes,active
        maths,Maths,yes,removed
        chess,Chess,no,active
        music,Music,yes,active
    """,
    assignments="user,course\nann,art",
    classes="sourced_id,course_sourced_id\na1,art\nm1,maths",
    enrollments=(
        "sourced_id,class_sourced_id,user_sourced_id,role,course_sourced_id\n"
        "e1,a1,ann,teacher,art\ne2,a1,bob,aide,art"
    ),
    roles="sourced_id,user_sourced_id,role\nr1,ann,teacher\nr2,bob,aide",
)
"""Ann, Bob and Zoe are active, Cec is not; Lea is linked; Max and Old were made by hand."""


@dataclass(frozen=True)
class Read:
    """A mapping, read and planned, in a short form; a refused mapping has no plan."""

    extracted: Extracted
    mapped: Mapped | None

    @property
    def plan(self) -> Mapped:
        """Return the plan of the mapping, which must not be refused."""
        assert self.mapped is not None, self.findings
        return self.mapped

    @property
    def findings(self) -> list[tuple[str, int | None, str | None]]:
        """Return code, row and column of each finding, as the stages report them."""
        return [(found["code"], found["row"], found["column"]) for found in self.list_findings()]

    @property
    def users(self) -> list[tuple[str, str | None, str]]:
        """Return action, old and new sourcedId of each change to a user."""
        return _moves(self.plan.plan.users)

    @property
    def courses(self) -> list[tuple[str, str | None, str]]:
        """Return action, old and new sourcedId of each change to a course."""
        return _moves(self.plan.plan.courses)

    def list_findings(self) -> list[dict[str, Any]]:
        """Return each finding with all its fields."""
        tables = [self.extracted.findings.table()]
        if self.mapped is not None:
            tables.append(self.mapped.findings.table())
        return [found for table in tables for found in table.to_pylist()]


def ids(folder: Path, rows: str | bytes, **more: Any) -> Read:
    """Read ids.csv with these rows."""
    return mapping(folder, Kind.IDS, rows, **more)


def links(folder: Path, rows: str | bytes, **more: Any) -> Read:
    """Read links.csv with these rows."""
    return mapping(folder, Kind.LINKS, rows, **more)


def mapping(
    folder: Path,
    kind: Kind,
    rows: str | bytes,
    *,
    header: str | None = None,
    roster: Roster = SITE,
    profile: Profile = Profile.TOLERANT,
) -> Read:
    """Read a mapping and plan it.

    Args:
        folder: Where the file is written.
        kind: The kind of mapping.
        rows: The rows of the file, or all of it if the header is blank.
        header: Replaces the right header.
        roster: The roster of the site.
        profile: The profile of the site.
    """
    path = folder / "mapping.csv"
    first = f"{','.join(MAPPINGS[kind])}\n" if header is None else header
    path.write_bytes(first.encode() + (rows if isinstance(rows, bytes) else rows.encode()))
    extracted = read_mapping(path, kind, profile)
    if extracted.refused:
        return Read(extracted, None)
    return Read(extracted, plan_of_mapping(kind, extracted.tables[kind.value], roster))


def _moves(table: pa.Table) -> list[tuple[str, str | None, str]]:
    return [
        (change["action"], change["before_sourced_id"], change["after_sourced_id"])
        for change in table.to_pylist()
    ]
