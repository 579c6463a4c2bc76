"""A run's folder: each stage writes artifacts there, and the next stage reads them.

    runs/<site>/<run_id>/
        snapshots/  valid/  quarantined/   one Parquet file for each rostering file, staff only
        plan/                              the frozen plan, one Parquet file for each part
        findings/                          one Parquet file for each stage
        unclear/                           rows that may be about a pupil, by rostering file
        extracted.json  plan.json          values that are not in the tables
        report/                            the Data Docs of Great Expectations

Each file is written under a temporary name and renamed when it is complete, so that a killed stage
leaves no incomplete file under a final name.

While a folder is open (`opened`), this process reads each small artifact only once. A process that
does all stages also keeps the tables in memory. It writes the tables for the next stage only if the
run does not succeed: a held or failed run has the same files as a run with a process for each
stage.
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
"""Artifacts that the stage record deletes after a successful run."""


@dataclass(slots=True)
class _Memory:
    """Artifacts and values of a run that a process keeps while the folder is open.

    Attributes:
        is_whole: Whether the process does all stages, and keeps tables for the later ones.
        tables: Folder → tables by name.
        unwritten: (folder, name) of the tables that are only in memory.
        documents: Name of a JSON file → its bytes. Bytes, because a reader may change the object
            that it gets, so each reader gets a new one.
        values: Values that stages share besides artifacts, such as the roster.
    """

    is_whole: bool
    tables: dict[str, dict[str, pa.Table]] = field(default_factory=dict)
    unwritten: set[tuple[str, str]] = field(default_factory=set)
    documents: dict[str, bytes] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def forget(self, name: str) -> None:
        """Drop the tables, the document and the value with a name."""
        self.tables.pop(name, None)
        self.documents.pop(name, None)
        self.values.pop(name, None)
        self.unwritten = {pair for pair in self.unwritten if pair[0] != name}


_OPEN: dict[str, _Memory] = {}
"""Path of an open folder → what this process keeps of it."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run, on a disk or in an object store."""

    path: UPath

    @classmethod
    def of(cls, site: str, run_id: str) -> RunFolder:
        """Return the folder of a run; it may not exist yet."""
        return cls(settings.storage_of("runs", site) / run_id)

    @contextlib.contextmanager
    def opened(self, *, is_whole: bool = False) -> Iterator[None]:
        """Keep artifacts in memory within the block; an inner block of an open folder does nothing.

        Args:
            is_whole: Whether this process does all stages within the block. If so, tables stay in
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
                # Only a held or failed run still has such tables: record removed all others.
                self.write_out()
            finally:
                del _OPEN[key]

    def write_out(self) -> None:
        """Write the tables that are only in memory."""
        memory = self._memory()
        while memory is not None and memory.unwritten:
            kind, name = memory.unwritten.pop()
            self._write_table(kind, name, memory.tables[kind][name])

    def keep(self, name: str, value: Any) -> None:
        """Keep a value for later stages in this process, while the folder is open."""
        if (memory := self._memory()) is not None:
            memory.values[name] = value

    def kept(self, name: str) -> Any:
        """Return a value that this process kept, or None."""
        memory = self._memory()
        return None if memory is None else memory.values.get(name)

    def _memory(self) -> _Memory | None:
        return _OPEN.get(str(self.path))

    def write_tables(self, kind: str, tables: Mapping[str, pa.Table]) -> None:
        """Write tables as `<kind>/<name>.parquet`, in place of those of an earlier try."""
        self.remove(kind)
        for name, table in tables.items():
            self.add_table(kind, name, table)

    def add_table(self, kind: str, name: str, table: pa.Table) -> None:
        """Write one table as `<kind>/<name>.parquet` and keep the other tables."""
        memory = self._memory()
        if memory is not None and (memory.is_whole or kind in memory.tables):
            # Combine the chunks, as reading a file would: this frees rows that were filtered out.
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
        """Return the tables of a kind by name, or only some `names`; empty if there are none."""
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
        """Return the value of `<name>.json`.

        Raises:
            FileNotFoundError: The stage that writes this file has not finished.
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
        """Return a folder of the run as a zip file, or None if it does not exist."""
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
        """Replace a folder of this run by a copy of the one of another run, if that exists."""
        self.remove(name)
        source = other.path / name
        for file in [f for f in source.rglob("*") if f.is_file()] if source.exists() else ():
            target = self.path / name / file.relative_to(source).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(target, file.read_bytes())

    def has(self, name: str) -> bool:
        """Return whether a folder or a file of the run exists."""
        return bool((self.path / name).exists())

    def names(self, start: str) -> list[str]:
        """Return the names of the run's files and folders that begin with `start`, sorted."""
        found = {one.name for one in self.path.iterdir()} if self.path.exists() else set()
        if (memory := self._memory()) is not None:
            found |= set(memory.tables)
        return sorted(name for name in found if name.startswith(start))

    def exists(self) -> bool:
        """Return whether the folder exists."""
        return bool(self.path.exists())

    def remove(self, name: str) -> None:
        """Delete a folder or a file of the run, if it exists."""
        if (memory := self._memory()) is not None:
            memory.forget(name)
        target = self.path / name
        if target.exists():
            target.fs.rm(target.path, recursive=True)

    def remove_all(self) -> None:
        """Delete the whole folder, if it exists."""
        if self.exists():
            self.path.fs.rm(self.path.path, recursive=True)


_LARGE = 1 << 20
"""From this number of bytes on, reading the columns of a table in several threads is faster."""


def _read_table(data: bytes) -> pa.Table:
    # ParquetFile, because pq.read_table first looks for a data set of many files: for a small file
    # that takes most of the time.
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(use_threads=len(data) > _LARGE)


def _write_whole(target: UPath, data: bytes) -> None:
    # An object store shows an object only when it is complete, and has no cheap rename.
    if target.protocol not in _LOCAL:
        target.write_bytes(data)
        return
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    part.rename(target)


def release_memory() -> None:
    """Return unused memory of Arrow's pool to the system.

    Arrow keeps freed memory for the next tables of the same thread. A server with many threads
    would keep the size of the largest plan once for each thread.
    """
    pa.default_memory_pool().release_unused()


def all_findings(run: Run) -> pa.Table:
    """Return the findings of all stages of a run, in the order of the stages."""
    tables = RunFolder.of(run.site, run.run_id).read_tables("findings")
    findings = Findings()
    for table in tables.values():
        findings.add_table(table)
    return findings.table()
