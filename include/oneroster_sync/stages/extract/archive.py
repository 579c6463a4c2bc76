"""Open a package: give the files of a zip, a folder or a lone CSV names, to be read once.

Nothing is unpacked to disk, and no name from a package becomes a path. The limits count the bytes
that were read, because a header can declare any size.
"""

from __future__ import annotations

import contextlib
import stat
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Protocol, cast

from oneroster_sync.errors import UserError
from oneroster_sync.findings import Finding, Severity
from oneroster_sync.settings import MIB, Limits
from oneroster_sync.standard import meant_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.sources.in_place import FolderInPlace

_LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
_ARCHIVES = {".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst"}
_DEPTH = 3
# The number of Unix among the systems that can make a zip (APPNOTE 4.4.2).
_UNIX = 3
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class RefusedError(UserError):
    """A file or the whole package is refused; `findings` say why. `extract_package` catches it."""

    def __init__(self, finding: Finding, *others: Finding) -> None:
        """Keep the findings that say why; `finding` is the first of them."""
        super().__init__(finding.code)
        self.finding = finding
        self.findings = (finding, *others)

    @property
    def is_of_package(self) -> bool:
        """Return whether the whole package is refused: a damaged zip, a bomb, or one too large."""
        return self.finding.code.startswith("zip.")


class Readable(Protocol):
    """A stream of bytes that is read in pieces."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; no bytes at the end."""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One CSV file of a package: its name without `.csv`, and its bytes."""

    name: str
    package: Package
    member: zipfile.ZipInfo | Path

    @contextlib.contextmanager
    def open(self) -> Iterator[Readable]:
        """Yield the file's bytes, counted against the limits.

        Raises:
            RefusedError: The file is damaged, encrypted or too large.
        """
        name = f"{self.name}.csv"
        packed = self.member.compress_size if isinstance(self.member, zipfile.ZipInfo) else 0
        with contextlib.ExitStack() as stack:
            with _as_findings(name):
                stream = stack.enter_context(self.package.open_member(self.member))
            counted = _Counted(stream, self.package, name, packed)
            recode = self.package.recode
            yield counted if recode is None else recode(counted, name)


@dataclass(slots=True)
class Package:
    """An opened package: its CSV files by name, and the findings made while opening it."""

    limits: Limits
    archive: zipfile.ZipFile | None = None
    files: dict[str, PackageFile] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    recode: Callable[[Readable, str], Readable] | None = None
    """Converts a file's bytes to UTF-8 with commas, for a site with another dialect."""
    opened: FolderInPlace | None = None
    """The open files of a folder that is read in place."""
    bytes_read: dict[str, int] = field(default_factory=dict)
    """File → bytes read; a file that is read twice counts once."""

    def open_member(self, member: zipfile.ZipInfo | Path) -> IO[bytes]:
        """Return the stream of one member."""
        if self.opened is not None and isinstance(member, Path):
            return cast("IO[bytes]", self.opened.read(member))
        if isinstance(member, Path):
            return member.open("rb")
        assert self.archive is not None
        return self.archive.open(member)

    def count(self, read: int, name: str) -> None:
        """Add to the bytes read of a file; refuse if all files together exceed the limit."""
        # Two passes read users.csv or a file with broken quotes; the package is not larger for
        # that.
        self.bytes_read[name] = max(read, self.bytes_read.get(name, 0))
        if sum(self.bytes_read.values()) > self.limits.unpacked:
            expected = f"at most {self.limits.unpacked // MIB:,} MiB in total"
            raise RefusedError(Finding("zip.size_exceeded", file=name, expected=expected))


@contextlib.contextmanager
def open_package(
    path: Path, limits: Limits, opened: FolderInPlace | None = None
) -> Iterator[Package]:
    """Open a zip, a folder or a lone CSV.

    Args:
        path: Path of the package.
        limits: Size limits.
        opened: The open files of a folder that is read in place.

    Raises:
        RefusedError: It is no zip, folder or CSV, or it is damaged, unsafe or too large.
    """
    package = Package(limits, opened=opened)
    if path.is_dir():
        _fill_from_folder(package, path)
        yield package
        return
    if not path.is_file():
        raise RefusedError(Finding("upload.not_found"))
    size = path.stat().st_size
    if size == 0:
        raise RefusedError(Finding("zip.empty", file=path.name))
    if path.suffix.lower() == ".csv":
        if _magic(path) == b"PK\x03\x04":
            expected = "a CSV file, not a zip"
            raise RefusedError(Finding("upload.wrong_kind", file=path.name, expected=expected))
        _fill(package, [(path.name, path)])
        yield package
        return
    if size > limits.packed:
        expected = f"at most {limits.packed // MIB:,} MiB"
        raise RefusedError(Finding("zip.size_exceeded", expected=expected))
    with contextlib.ExitStack() as stack:
        with _as_findings(None):
            package.archive = stack.enter_context(zipfile.ZipFile(path))
            _check_structure(package.archive, path)
        _fill_from_zip(package, package.archive)
        yield package


def _fill_from_folder(package: Package, folder: Path) -> None:
    depth = 0
    while True:
        entries = sorted(e for e in folder.iterdir() if not _is_litter(e.name))
        below = [e for e in entries if e.is_dir() and not e.is_symlink()]
        if len(entries) != 1 or len(below) != 1 or depth == _DEPTH:
            break
        folder, depth = below[0], depth + 1
    if len(entries) > package.limits.entries:
        expected = f"at most {package.limits.entries} files"
        raise RefusedError(Finding("zip.entry_count", expected=expected))
    for entry in entries:
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise RefusedError(Finding("zip.unsafe_entry", file=_shown(entry.name)))
    if depth:
        package.findings.append(Finding("zip.single_folder", Severity.WARNING))
    files = [e for e in entries if e.is_file()]
    _check_twins([e.name for e in files])
    _fill(package, [(e.name, e) for e in files])


def _fill_from_zip(package: Package, archive: zipfile.ZipFile) -> None:
    members = [i for i in archive.infolist() if not _is_litter(i.orig_filename)]
    if len(members) > package.limits.entries:
        expected = f"at most {package.limits.entries} files"
        raise RefusedError(Finding("zip.entry_count", expected=expected))
    for info in members:
        _check_member(info)
    files = [i for i in members if not i.is_dir()]
    folder = _folder_of([PurePosixPath(i.orig_filename) for i in files])
    if folder:
        package.findings.append(Finding("zip.single_folder", Severity.WARNING))
    named: list[tuple[str, zipfile.ZipInfo | Path]] = []
    below: list[str] = []
    for info in files:
        parts = PurePosixPath(info.orig_filename).parts
        if parts[: len(folder)] == folder and len(parts) == len(folder) + 1:
            named.append((parts[-1], info))
        else:
            below.append("/".join(parts))
            package.findings.append(_not_opened(below[-1]))
    _check_twins([*(name for name, _ in named), *below])
    _fill(package, named)


def _folder_of(paths: list[PurePosixPath]) -> tuple[str, ...]:
    """Return the innermost folder that contains all CSV files of a zip; () if it is too deep."""
    parents = [path.parent.parts for path in paths if path.suffix.lower() == ".csv"]
    shared: list[str] = []
    for parts in zip(*parents, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return tuple(shared) if len(shared) <= _DEPTH else ()


def _check_twins(names: list[str]) -> None:
    """Refuse a package in which two files match the same file of the standard."""
    seen: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        meant = meant_file(path.name[: -len(".csv")]) if path.suffix.lower() == ".csv" else None
        if meant in seen:
            raise RefusedError(Finding("zip.duplicate_name", file=_shown(name)))
        if meant is not None:
            seen.add(meant)


def _fill(package: Package, members: list[tuple[str, zipfile.ZipInfo | Path]]) -> None:
    seen: set[str] = set()
    for name, member in members:
        if name.lower() in seen:
            raise RefusedError(Finding("zip.duplicate_name", file=_shown(name)))
        seen.add(name.lower())
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in _ARCHIVES:
            raise RefusedError(Finding("zip.nested_archive", file=_shown(name)))
        if suffix != ".csv":
            package.findings.append(_not_opened(name))
            continue
        stem = name[: -len(".csv")]
        package.files[stem] = PackageFile(stem, package, member)
    if not package.files:
        raise RefusedError(Finding("package.empty"))


def _check_member(info: zipfile.ZipInfo) -> None:
    # Not `filename`, which zipfile cuts at a NUL byte: the name to check must be the name in the
    # zip.
    name = info.orig_filename
    shown = _shown(name)
    parts = name.rstrip("/").split("/")
    if (
        name.startswith("/")
        # Windows reads a backslash as a separator and `C:` as a drive; APPNOTE 4.4.17 forbids both.
        or "\\" in name
        or any(part in {"", ".", ".."} for part in parts)
        or any(not c.isprintable() for c in name)
        or ":" in parts[0]
    ):
        raise RefusedError(Finding("zip.unsafe_name", file=shown))
    # Only zips made on Unix have the type of a file in these bits; elsewhere they mean nothing.
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode) if info.create_system == _UNIX else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise RefusedError(Finding("zip.unsafe_entry", file=shown))
    if info.flag_bits & 0x1:
        raise RefusedError(Finding("zip.encrypted", file=shown))
    if info.compress_type not in _METHODS:
        raise RefusedError(Finding("zip.unsupported_compression", file=shown))


def _check_structure(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a zip with bytes before the first file or after the end, or with overlapping files."""
    infos = sorted(archive.infolist(), key=lambda i: i.header_offset)
    if not infos:
        raise RefusedError(Finding("package.empty"))
    with path.open("rb") as stream:
        # The end record has 22 bytes and a comment. zipfile accepts bytes before and after a zip (a
        # self-extracting archive), in which another reader may find other files.
        end = path.stat().st_size - 22 - len(archive.comment)
        # zipfile shifts all offsets by what it takes for bytes before the zip; a forged end record
        # makes that number negative.
        if infos[0].header_offset < 0:
            raise RefusedError(Finding("zip.invalid_archive"))
        stream.seek(max(end, 0))
        if infos[0].header_offset != 0 or stream.read(4) != b"PK\x05\x06":
            raise RefusedError(Finding("zip.trailing_data"))
        ends = [i.header_offset for i in infos[1:]] + [archive.start_dir]
        for info, limit in zip(infos, ends, strict=True):
            # The header beside the data has name and extra field of its own, whose lengths may
            # differ from those in the directory that zipfile reads.
            stream.seek(info.header_offset + 26)
            lengths = stream.read(4)
            used = (
                30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
            )
            if info.header_offset + used + info.compress_size > limit:
                raise RefusedError(Finding("zip.overlap", file=_shown(info.orig_filename)))


@dataclass(slots=True)
class _Counted:
    """A stream whose bytes count against the package's size and the file's ratio."""

    _stream: IO[bytes]
    _package: Package
    _name: str
    _packed: int
    _bytes: int = 0

    def read(self, size: int, /) -> bytes:
        with _as_findings(self._name):
            data = self._stream.read(size)
        self._bytes += len(data)
        self._package.count(self._bytes, self._name)
        ratio = self._package.limits.ratio
        # A small file of equal rows may compress further than this, and does no harm.
        if self._packed and self._bytes > MIB and self._bytes > ratio * self._packed:
            expected = f"at most {ratio} unpacked bytes for each packed byte"
            raise RefusedError(Finding("zip.ratio_exceeded", file=self._name, expected=expected))
        return data


@contextlib.contextmanager
def _as_findings(name: str | None) -> Iterator[None]:
    """Turn the exceptions of zipfile for damaged archives into findings."""
    code = "zip.invalid_archive" if name is None else "zip.corrupt_entry"
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise RefusedError(Finding(code, file=name)) from error
    # zipfile raises this for a compression that it does not know, and RuntimeError for a password.
    except NotImplementedError as error:
        raise RefusedError(Finding("zip.unsupported_compression", file=name)) from error
    except RuntimeError as error:
        raise RefusedError(Finding("zip.encrypted", file=name)) from error


def _not_opened(name: str) -> Finding:
    return Finding("package.unknown_file", Severity.WARNING, file=_shown(name))


def _is_litter(name: str) -> bool:
    parts = name.split("/")
    last = parts[-1] or (parts[-2] if len(parts) > 1 else "")
    return parts[0] == "__MACOSX" or last.startswith("._") or last.lower() in _LITTER


def _magic(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


def _shown(name: str) -> str:
    """Return a file name of a package in a form that is safe to log."""
    return name.encode("unicode_escape").decode("ascii")[:120]
