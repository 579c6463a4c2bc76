"""A run's folder: what one stage leaves for the next, by path and never by value.

    runs/<site>/<run_id>/
        snapshots/  valid/  quarantined/   one Parquet file for each rostering file, staff only
        plan/                              the frozen plan, one Parquet file for each part
        findings/                          one Parquet file for each stage
        unclear/                           which rows may be a pupil's, by rostering file
        extracted.json  plan.json          what the tables don't say
        report/                            the Data Docs of Great Expectations

Everything is written under another name first and renamed when it is whole, so that a stage that
was killed leaves nothing that looks finished.

While a folder is open (`opened`), this process reads each small artifact once. A process that does
all stages keeps its tables in memory, too, and writes those that are for the next stage only where
the run does not end well: a held or failed run leaves the same files as one whose stages were
processes of their own.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from oneroster_sync import settings
from oneroster_sync.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from upath import UPath

    from oneroster_sync.runs import Run

_LOCAL = {"", "file", "local"}
_FINDINGS = "findings"
_FOR_THE_NEXT_STAGE = ("snapshots", "valid", "quarantined")
"""What record removes from the folder of a run that ends well."""


@dataclass(slots=True)
class _Memory:
    """What a process keeps of a run while its folder is open.

    Attributes:
        is_whole: Whether the process does all stages, so that tables are kept for the later ones.
        tables: Folder → tables by name.
        unwritten: Tables that are in memory alone.
        documents: Name of a JSON file → its bytes. A reader may change what it gets, so each gets
            an object of its own.
        values: What stages leave for each other besides artifacts, as the roster.
    """

    is_whole: bool
    tables: dict[str, dict[str, pa.Table]] = field(default_factory=dict)
    unwritten: set[tuple[str, str]] = field(default_factory=set)
    documents: dict[str, bytes] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def forget(self, name: str) -> None:
        """Forget the tables, the document and the value of a name."""
        self.tables.pop(name, None)
        self.documents.pop(name, None)
        self.values.pop(name, None)
        self.unwritten = {pair for pair in self.unwritten if pair[0] != name}


_OPEN: dict[str, _Memory] = {}
"""Path of a run's folder → what this process keeps of it, while it is open."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run, on a disk or in an object store."""

    path: UPath

    @classmethod
    def of(cls, site: str, run_id: str) -> RunFolder:
        """Return the folder of a run; it need not exist yet."""
        return cls(settings.storage_of("runs", site) / run_id)

    @contextlib.contextmanager
    def opened(self, *, is_whole: bool = False) -> Iterator[None]:
        """Read each small artifact once within the block; a folder that is open already stays so.

        Args:
            is_whole: Whether this process does all stages within the block. Then its tables stay in
                memory for the later stages.
        """
        key = str(self.path)
        if key in _OPEN:
            yield
            return
        _OPEN[key] = _Memory(is_whole=is_whole)
        try:
            yield
        finally:
            try:
                self.write_out()
            finally:
                del _OPEN[key]

    def write_out(self) -> None:
        """Write the tables that are in memory alone."""
        memory = self._memory()
        while memory is not None and memory.unwritten:
            kind, name = memory.unwritten.pop()
            self._write_table(kind, name, memory.tables[kind][name])

    def keep(self, name: str, value: Any) -> None:
        """Keep a value for what this process does later, while the folder is open."""
        if (memory := self._memory()) is not None:
            memory.values[name] = value

    def kept(self, name: str) -> Any:
        """Return a value that this process kept; None where there is none."""
        memory = self._memory()
        return None if memory is None else memory.values.get(name)

    def _memory(self) -> _Memory | None:
        return _OPEN.get(str(self.path))

    def write_tables(self, kind: str, tables: Mapping[str, pa.Table]) -> None:
        """Write tables as `<kind>/<name>.parquet`, replacing what a killed try left."""
        self.remove(kind)
        for name, table in tables.items():
            self.add_table(kind, name, table)

    def add_table(self, kind: str, name: str, table: pa.Table) -> None:
        """Write one table as `<kind>/<name>.parquet` beside those that are there."""
        memory = self._memory()
        if memory is not None and (memory.is_whole or kind in memory.tables):
            # Whole columns, as a file would give them: rows that were filtered out are let go of.
            memory.tables.setdefault(kind, {})[name] = table.combine_chunks()
            if memory.is_whole and kind.startswith(_FOR_THE_NEXT_STAGE):
                memory.unwritten.add((kind, name))
                return
        self._write_table(kind, name, table)

    def _write_table(self, kind: str, name: str, table: pa.Table) -> None:
        target = self.path / kind / f"{name}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        _write_whole(target, buffer.getvalue().to_pybytes())

    def read_tables(self, kind: str, names: Collection[str] | None = None) -> dict[str, pa.Table]:
        """Return the tables of a kind by name, or some of them; none when there are none."""
        if (memory := self._memory()) is not None and kind in memory.tables:
            kept = memory.tables[kind]
            return {name: kept[name] for name in sorted(kept) if names is None or name in names}
        folder = self.path / kind
        if not folder.exists():
            return {}
        files = sorted(
            f
            for f in folder.iterdir()
            if f.suffix == ".parquet" and (names is None or f.stem in names)
        )
        tables = {f.stem: _read_table(f.read_bytes()) for f in files}
        if memory is not None and kind == _FINDINGS and names is None:
            memory.tables[kind] = dict(tables)
        return tables

    def write_json(self, name: str, value: Any) -> None:
        """Write a small value as `<name>.json`."""
        target = self.path / f"{name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps(value).encode()
        _write_whole(target, data)
        if (memory := self._memory()) is not None:
            memory.documents[target.name] = data

    def read_json(self, name: str) -> Any:
        """Return what was written as `<name>.json`.

        Raises:
            FileNotFoundError: The stage that writes it has not finished.
        """
        source, memory = self.path / f"{name}.json", self._memory()
        if memory is None:
            return json.loads(source.read_bytes())
        if source.name not in memory.documents:
            memory.documents[source.name] = source.read_bytes()
        return json.loads(memory.documents[source.name])

    def copy_in(self, folder: Path, name: str) -> None:
        """Copy a local folder's files to `<name>/`."""
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            target = self.path / name / file.relative_to(folder).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())

    def packed(self, name: str) -> IO[bytes] | None:
        """Return a folder of the run as a zip; None when it is not there."""
        root = self.path / name
        if not root.exists():
            return None
        packed = tempfile.SpooledTemporaryFile(max_size=1 << 22)  # noqa: SIM115  the reader closes it
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(f for f in root.rglob("*") if f.is_file()):
                archive.writestr(str(file.relative_to(root)), file.read_bytes())
        packed.seek(0)
        return cast("IO[bytes]", packed)

    def take(self, other: RunFolder, name: str) -> None:
        """Copy a folder of another run, if it is there, in place of what this one has."""
        self.remove(name)
        source = other.path / name
        for file in [f for f in source.rglob("*") if f.is_file()] if source.exists() else ():
            target = self.path / name / file.relative_to(source).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(target, file.read_bytes())

    def has(self, name: str) -> bool:
        """Tell whether a folder or a file of the run is there."""
        return bool((self.path / name).exists())

    def names(self, start: str) -> list[str]:
        """Return the names of the run's folders that begin so, in order."""
        found = {one.name for one in self.path.iterdir()} if self.path.exists() else set()
        if (memory := self._memory()) is not None:
            found |= set(memory.tables)
        return sorted(name for name in found if name.startswith(start))

    def exists(self) -> bool:
        """Tell whether anything of the run is there."""
        return bool(self.path.exists())

    def remove(self, name: str) -> None:
        """Remove a folder or a file of the run, if it is there."""
        if (memory := self._memory()) is not None:
            memory.forget(name)
        target = self.path / name
        if target.exists():
            target.fs.rm(target.path, recursive=True)

    def remove_all(self) -> None:
        """Remove everything that is there of the run."""
        if self.exists():
            self.path.fs.rm(self.path.path, recursive=True)


_LARGE = 1 << 20
"""From how many bytes on it is worth it to read a table's columns in several threads."""


def _read_table(data: bytes) -> pa.Table:
    # pq.read_table looks for a data set of many files first, which takes most of the time that a
    # small file takes.
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(use_threads=len(data) > _LARGE)


def _write_whole(target: UPath, data: bytes) -> None:
    if target.protocol not in _LOCAL:
        target.write_bytes(data)
        return
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    part.rename(target)


def release_memory() -> None:
    """Give memory that tables took, and take no more, back to the system.

    Arrow keeps it for the next tables of the same thread, so that a server, which has many threads,
    would keep as many times the largest plan that anybody looked at.
    """
    pa.default_memory_pool().release_unused()


def all_findings(run: Run) -> pa.Table:
    """Return the findings of all stages, in their order."""
    tables = RunFolder.of(run.site, run.run_id).read_tables("findings")
    findings = Findings()
    for table in tables.values():
        findings.add_table(table)
    return findings.table()
