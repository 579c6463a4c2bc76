"""The packages at a site's source: which of them a run reads, and their combined rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle.door import Read, fold, read_pack
from oracle.strict import rejects_pack

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from oracle.door import Known, Line
    from oracle.runs import Delta
    from oracle.sis import Pack


@dataclass(frozen=True, slots=True)
class Arrived:
    """One package and its time of arrival."""

    pack: Pack
    at: dt.datetime


@dataclass(slots=True)
class Source:
    """The packages at a site's source, the oldest first, and how many of them a run has taken."""

    packs: list[Arrived] = field(default_factory=list)
    taken: int = 0

    def unread(self) -> tuple[list[Arrived], bool]:
        """Return the packages that a run reads, and whether an earlier run has read the newest."""
        newest = self.packs[-1:]
        if self.taken == len(self.packs):
            return newest, True
        if self.taken == 0 or not _has_delta(self.packs[-1]):
            return newest, False
        found: list[Arrived] = newest
        for one in self.packs[self.taken : -1][::-1]:
            found = [one, *found]
            if not _has_delta(one):
                break
        return found, False


def _has_delta(one: Arrived) -> bool:
    return any(file.mode == "delta" for file in one.pack.files.values())


def read_all(
    packs: list[Arrived], known: Known, scope: str, *, strict: bool, is_again: bool
) -> list[Read] | None:
    """Read the packages of a run, the oldest first; return None if one of them is refused.

    Each package is read with the records of those before it as known. Deltas of a package that an
    earlier run has taken don't count.
    """
    reads = []
    for one in packs:
        read = read_pack(one.pack, known, scope)
        if read.refused or (strict and rejects_pack(one.pack, known, scope)):
            return None
        for file, lines in read.lines.items():
            known.add_pending(file, lines)
        reads.append(read)
    if is_again:
        for file in [file for file, mode in reads[-1].modes.items() if mode == "delta"]:
            del reads[-1].modes[file]
            del reads[-1].lines[file]
    return reads


def lost_files(reads: list[Read]) -> set[str]:
    """Return the files in which a delta follows a bulk file of the run: that delta is not kept."""
    lost: set[str] = set()
    bulk: set[str] = set()
    for read in reads:
        lost |= {file for file, mode in read.modes.items() if mode == "delta"} & bulk
        bulk |= {file for file, mode in read.modes.items() if mode == "bulk"}
    return lost


def rows_of(reads: list[Read]) -> dict[str, int]:
    """Return how many rows each file has: its newest bulk file, or the first of its deltas."""
    rows: dict[str, int] = {}
    for read in reads:
        for file, mode in read.modes.items():
            if mode == "bulk":
                rows[file] = read.rows[file]
            rows.setdefault(file, read.rows[file])
    return rows


def number_packages(ref: int, reads: list[Read], used: list[Delta]) -> dict[tuple[int, int], int]:
    """Number the packages of a plan by run and part; the newest package has the largest number."""
    others = [(delta.run, delta.part) for delta in used if delta.run != ref]
    keys = dict.fromkeys([*others, *((ref, part) for part in range(len(reads)))])
    return {key: number for number, key in enumerate(keys)}


def fold_files(
    ref: int, reads: list[Read], used: list[Delta], numbers: dict[tuple[int, int], int]
) -> tuple[dict[str, list[Line]], dict[str, str]]:
    """Return the lines that count in each file, and the mode in which each file counts.

    Args:
        ref: The run.
        reads: The run's packages, the oldest first.
        used: The pending deltas that count, the run's own included, the oldest first.
        numbers: The packages, as `number_packages` numbers them.
    """
    bulk: dict[str, tuple[int, list[Line]]] = {}
    for part, read in enumerate(reads):
        bulk |= {file: (part, read.lines[file]) for file, m in read.modes.items() if m == "bulk"}
    files: dict[str, list[Line]] = {}
    for file in {*bulk, *(delta.file for delta in used)}:
        first = bulk[file][0] if file in bulk else -1
        deltas = [
            (numbers[d.run, d.part], d.arrived, d.lines)
            for d in used
            if d.file == file and (file not in bulk or (d.run == ref and d.part > first))
        ]
        newest = fold(deltas)
        if file not in bulk:
            files[file] = newest
            continue
        named = {line["sourcedId"] for line in newest if "sourcedId" in line}
        number = numbers[ref, first]
        files[file] = [
            {**line, "part": number} for line in bulk[file][1]
            if line.get("sourcedId") not in named
        ]  # fmt: skip
        files[file] += [line for line in newest if not _goes(line)]
    return files, {file: "bulk" if file in bulk else "delta" for file in files}


def _goes(line: Line) -> bool:
    return "goes" in line or line.get("status") in {"tobedeleted", "inactive"}


def ask_for_roles_again(
    files: dict[str, list[Line]], links: Mapping[str, Mapping[str, Any]], known: set[str]
) -> None:
    """Decide again who is staff from the roles that are left: some may have been discarded since.

    Args:
        files: The lines that count in each file.
        links: The stored roles.
        known: sourcedIds of the site's users.
    """
    roles = files.get("roles", [])
    named = {line.get("sourcedId") for line in roles}
    with_role = {row["user"] for id_, row in links.items() if id_ not in named}
    with_role |= {line.get("userSourcedId") for line in roles if "goes" not in line}
    dropped, kept = set(), []
    for line in files["users"]:
        id_ = line.get("sourcedId")
        if id_ is None or id_ in with_role or "goes" in line or "flaw" in line:
            kept.append(line)
        elif id_ in known:
            columns = ("sourcedId", "status", "dateLastModified", "part")
            kept.append({**{c: line[c] for c in columns if c in line}, "flaw": "no role"})
        else:
            dropped.add(id_)
    files["users"] = kept
    if "enrollments" in files:
        files["enrollments"] = [
            line for line in files["enrollments"] if line.get("userSourcedId") not in dropped
        ]
