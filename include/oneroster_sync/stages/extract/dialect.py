"""The dialect of a site's CSV files: encoding, delimiter and date order.

The site's preferences name the dialect. It is never guessed: Windows-1252 may be Latin-1, and
09/01/2026 may be September or January. All later code reads UTF-8 with commas, and dates as
YYYY-MM-DD.
"""

from __future__ import annotations

import codecs
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding
from oneroster_sync.sites.preferences import DateOrder, Delimiter, Encoding, Profile
from oneroster_sync.stages.extract.archive import RefusedError

if TYPE_CHECKING:
    from oneroster_sync.sites.preferences import Settings
    from oneroster_sync.stages.extract.archive import Readable

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HELD = "\x1e"
"""Replaces a comma while commas and delimiters are swapped; no value contains it."""
# Such as 9/1/2026, 01.09.2026 and 9/1/2026 0:00. A year of two digits could also be a day.
_DATE = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})(?: 0?0:00(?::00)?)?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """Encoding, delimiter and date order of a package's files; those of the standard by default."""

    encoding: Encoding = Encoding.UTF_8
    delimiter: Delimiter = Delimiter.COMMA
    date_order: DateOrder = DateOrder.ISO

    @classmethod
    def of(cls, settings: Settings) -> Dialect:
        """Return the dialect of a site's preferences; the strict profile uses the standard's."""
        if settings.profile is Profile.STRICT:
            return cls()
        return cls(settings.encoding, settings.delimiter, settings.date_order)

    @property
    def is_recoded(self) -> bool:
        """Return whether a file's bytes have to be converted."""
        return self.encoding is not Encoding.UTF_8 or self.delimiter is not Delimiter.COMMA

    def recode(self, stream: Readable, name: str) -> Readable:
        """Return a stream of UTF-8 in which the delimiter and commas are swapped.

        The grammar of quotes is then unchanged, and a comma in a value needs no quotes.
        """
        return _Recoded(stream, name, self)

    def swap(self, text: str) -> str:
        """Return a text with commas and delimiters swapped back."""
        comma, delimiter = ",", self.delimiter.character
        return text.translate(str.maketrans(comma + delimiter, delimiter + comma))

    def swap_values(self, table: pa.Table) -> pa.Table:
        """Return rows with the commas and delimiters inside their values swapped back."""
        if self.delimiter is Delimiter.COMMA:
            return table
        delimiter = self.delimiter.character
        for at, field in enumerate(table.schema):
            if not pa.types.is_string(field.type) or field.name in {"flaw", "goes", "left_out"}:
                continue
            held = pc.replace_substring(table[field.name], ",", _HELD)
            swapped = pc.replace_substring(held, delimiter, ",")
            table = table.set_column(at, field, pc.replace_substring(swapped, _HELD, delimiter))
        return table

    def iso_date(self, text: str) -> str | None:
        """Return a date as YYYY-MM-DD; None if it is not a date in the order of the preferences."""
        found = _DATE.fullmatch(text) if self.date_order is not DateOrder.ISO else None
        if found is None:
            return None
        first, second, year = map(int, found.groups())
        is_month_first = self.date_order is DateOrder.MONTH_FIRST
        month, day = (first, second) if is_month_first else (second, first)
        try:
            return dt.date(year, month, day).isoformat()
        except ValueError:
            return None


@dataclass(slots=True)
class _Recoded:
    _stream: Readable
    _name: str
    _dialect: Dialect
    _is_first: bool = True
    _is_marked: bool = False
    _is_checked: bool = False

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        if self._is_first:
            # A byte order mark declares UTF-8, so UTF-8 is not guessed here.
            self._is_first, self._is_marked = False, data.startswith(_MARKS)
        if self._dialect.encoding is not Encoding.UTF_8 and not self._is_marked:
            data = self._to_utf8(data)
        # Safe on bytes: in UTF-8 no byte of another character is below 0x80.
        comma, delimiter = b",", self._dialect.delimiter.character.encode()
        return data.translate(bytes.maketrans(comma + delimiter, delimiter + comma))

    def _to_utf8(self, data: bytes) -> bytes:
        if data.isascii():
            return data
        # Text with letters beyond ASCII in another encoding is hardly ever valid UTF-8 by chance,
        # so the preference is wrong. The first such piece decides.
        if not self._is_checked and _is_utf8(data):
            raise RefusedError(self._finding("UTF-8"))
        self._is_checked = True
        try:
            return data.decode(self._dialect.encoding).encode()
        except UnicodeDecodeError:
            raise RefusedError(self._finding("another encoding")) from None

    def _finding(self, what: str) -> Finding:
        expected = f"{self._dialect.encoding}, as the preferences say; this is {what}"
        return Finding("csv.other_encoding", file=self._name, expected=expected)


def _is_utf8(data: bytes) -> bool:
    """Return whether bytes are UTF-8; the last character may be cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=False)
    except UnicodeDecodeError:
        return False
    return True
