"""Write a package as the files that an SIS would export: a zip, a folder, or one lone CSV."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from district.columns import MANIFEST_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from district.rows import Package, Table


@dataclass(frozen=True, slots=True)
class Style:
    """The format of the CSV text; the content is the same in all styles."""

    line_end: str = "\r\n"
    quote_all: bool = False
    byte_order_mark: bool = False
    manifest: bool = True
    """Whether a manifest.csv is written; never for 1.0, which has none."""
    folder: str = ""
    """Name of a folder inside the zip that holds all files."""


PLAIN = Style()
STYLES = (
    PLAIN,
    Style(line_end="\n"),
    Style(quote_all=True),
    Style(line_end="\n", quote_all=True, byte_order_mark=True),
    Style(manifest=False),
    Style(folder="export"),
)


def table_bytes(table: Table, style: Style = PLAIN) -> bytes:
    """Return one file as CSV in UTF-8."""
    return _csv_bytes((table.header, *table.rows), style)


def manifest_bytes(package: Package, style: Style = PLAIN) -> bytes:
    """Return the package's manifest.csv: each file of the version as bulk, delta or absent."""
    modes = {name: table.mode for name, table in package.tables.items()}
    rows = [
        ("propertyName", "value"),
        ("manifest.version", "1.0"),
        ("oneroster.version", package.version),
        *((f"file.{name}", modes.get(name, "absent")) for name in MANIFEST_FILES[package.version]),
        ("source.systemName", "Example SIS"),
        ("source.systemCode", "example-sis"),
    ]
    return _csv_bytes(rows, style)


def package_files(package: Package, style: Style = PLAIN) -> dict[str, bytes]:
    """Return the package as file name → content, the manifest first."""
    files = {}
    if style.manifest and package.version in MANIFEST_FILES:
        files["manifest.csv"] = manifest_bytes(package, style)
    for name, table in package.tables.items():
        files[f"{name}.csv"] = table_bytes(table, style)
    return files


def zip_bytes(package: Package, style: Style = PLAIN) -> bytes:
    """Return the package as a zip; the same package and style give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in package_files(package, style).items():
            path = f"{style.folder}/{name}" if style.folder else name
            info = zipfile.ZipInfo(path, date_time=(2026, 9, 1, 4, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def write_zip(package: Package, path: Path, style: Style = PLAIN) -> Path:
    """Write the package as a zip and return its path."""
    path.write_bytes(zip_bytes(package, style))
    return path


def write_folder(package: Package, path: Path, style: Style = PLAIN) -> Path:
    """Write the package as a folder of CSV files and return its path."""
    path.mkdir(parents=True)
    for name, content in package_files(package, style).items():
        (path / name).write_bytes(content)
    return path


def write_lone_csv(package: Package, file: str, folder: Path, style: Style = PLAIN) -> Path:
    """Write one file of the package alone, under its own name, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file}.csv"
    path.write_bytes(table_bytes(package.tables[file], style))
    return path


def _csv_bytes(rows: Iterable[Sequence[str]], style: Style) -> bytes:
    text = io.StringIO()
    writer = csv.writer(
        text,
        lineterminator=style.line_end,
        quoting=csv.QUOTE_ALL if style.quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig" if style.byte_order_mark else "utf-8")
