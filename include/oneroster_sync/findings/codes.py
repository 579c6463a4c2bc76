"""The catalogue of finding codes: `layer.problem`, what it means and what to do.

Codes are a contract: they are never renamed and never change their meaning.
`docs/reference/findings.md` is generated from this table (`python -m oneroster_sync.findings`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        name: `layer.problem`.
        meaning: What was found, in one sentence.
        hint: What to do about it, in one sentence.
        violation: Whether the standard forbids it; such a finding rejects the package in strict.
    """

    name: str
    meaning: str
    hint: str
    violation: bool = True


_TABLE = """
upload.not_found | The package is not where it was said to be. | Check the path, or upload the file again.
upload.wrong_kind | The file is not what this upload takes. | Use the upload that fits the file, or choose another file.
zip.empty | The file holds no bytes. | Export the package again; the transfer was probably cut off.
zip.invalid_archive | The file is not a complete zip archive. | Export or transfer the package again, in binary mode.
zip.corrupt_entry | A file inside the zip can't be read: its checksum or its compressed data is wrong. | Export or transfer the package again.
zip.encrypted | A file inside the zip is encrypted. | Export the package without a password.
zip.unsupported_compression | A file inside the zip is compressed by a method that is not supported. | Use the ordinary zip method (deflate) or none.
zip.ratio_exceeded | A file inside the zip grows more than a roster can. | Check where the package comes from; this looks like a zip bomb.
zip.size_exceeded | The package is larger than the limit. | Remove what the sync does not need, or ask for a higher limit.
zip.entry_count | The zip holds more files than the limit. | Put only OneRoster files into the package.
zip.nested_archive | The zip holds another archive. | Put the CSV files into the zip directly.
zip.overlap | Files inside the zip share the same bytes. | Make the zip again with an ordinary tool.
zip.unsafe_name | A file name inside the zip leads out of it or is not a plain name. | Put the CSV files at the root of the zip.
zip.unsafe_entry | The zip holds a link, a device or another entry that is no file. | Put only plain files into the zip.
zip.duplicate_name | Two files of the package have the same name. | Keep one of them.
zip.trailing_data | The zip has bytes before its beginning or after its end. | Make the zip again with an ordinary tool.
zip.single_folder | The files lie in a folder of the package instead of at its root; the folder was used. | Put the CSV files at the root.
package.empty | The package holds no OneRoster file. | Check that the export is a OneRoster CSV package.
package.lookalike | The package is of another format whose files have the same names. | Export OneRoster CSV 1.1 or 1.2.
package.missing_manifest | The package has no manifest.csv; every file present is taken as bulk. | Let the SIS add manifest.csv.
package.missing_file | A file that others need is missing. | Add the file to the export.
package.unknown_file | A file is not part of this version of OneRoster; it was not opened. | Remove it from the export.
package.file_spelling | A file name is not spelled as the standard spells it; it was understood all the same. | Spell it as the standard does.
package.never_opened | The file holds data that the sync never opens. | Nothing; you may leave it out of the export.
manifest.invalid_header | manifest.csv does not begin with propertyName,value. | Let the SIS write the manifest of the standard.
manifest.unsupported_version | oneroster.version is none that is supported. | Export OneRoster CSV 1.1 or 1.2.
manifest.invalid_version | manifest.version is not 1.0. | Write 1.0; a spreadsheet may have shortened it to 1.
manifest.invalid_mode | A file's mode is not absent, bulk or delta. | Write one of the three, in lower case.
manifest.duplicate_property | A property stands in the manifest twice. | Keep one of the lines.
manifest.missing_property | A property of the standard is missing. | Add the line.
manifest.unknown_property | A property is not of the standard; it was ignored. | Remove the line.
manifest.file_missing | The manifest says that a file is there, but it isn't. | Add the file or call it absent.
manifest.file_unexpected | The manifest says that a file is absent, but it is there. | Call it bulk or delta, or remove it.
csv.invalid_utf8 | The file is not UTF-8. | Save it as CSV UTF-8.
csv.bare_carriage_return | A line ends with a carriage return alone. | Use CRLF or LF.
csv.unclosed_quote | A quoted value does not end on its line. | Close the quote; values can't hold line breaks.
csv.field_line_break | A value holds a line break. | Remove the line break in the SIS.
csv.unescaped_quote | A quote stands inside a value without being doubled. | Put the value in quotes and double the quotes inside.
csv.wrong_delimiter | The values are not separated by commas. | Export with commas.
csv.field_too_large | A line is longer than the limit. | Check the export for a missing line end or quote.
table.missing_header | The file is empty: not even a header. | Export it again, or call it absent in the manifest.
table.no_rows | The file has a header but no rows. | Export it again, or call it absent in the manifest.
table.duplicate_header | Two columns have the same header, or a header is empty. | Name every column once.
schema.missing_header | A column is missing. | Add the column; the standard wants every header, also of empty columns.
schema.unknown_column | A column is not of the standard; it was not read. | Remove it, or name it metadata.something.
schema.column_order | The columns do not stand in the order of the standard; they were read by name. | Keep the order of the standard.
schema.header_spelling | A header is not spelled as the standard spells it; it was understood all the same. | Spell it as the standard does.
schema.invisible_character | A header holds an invisible character or a blank; it was read without. | Remove it.
schema.version_mismatch | The columns are those of another version than the manifest says. | Correct oneroster.version or the export.
row.width_mismatch | The row has more or fewer values than the header has columns. | Quote values that hold commas; remove surplus commas.
row.invalid_character | The row holds a control character. | Remove it in the SIS.
row.missing_required_value | A required value is blank. | Fill it in the SIS.
row.invalid_enum | The value is none of those allowed. | Use one of the values of the standard, spelled exactly.
row.invalid_boolean | The value is neither true nor false. | Write true or false, in lower case.
row.invalid_date | The value is not a date of the form YYYY-MM-DD. | Write the date as YYYY-MM-DD.
row.invalid_year | The value is not the year (YYYY) in which the school year ends. | Write the year in four digits.
row.invalid_timestamp | The value is not a time of the form YYYY-MM-DDTHH:MM:SS.sssZ. | Write the time in UTC, with its zone.
row.invalid_email | The value is not an e-mail address. | Correct it in the SIS; people log in with it.
row.too_long | The value is longer than the limit. | Shorten it in the SIS.
row.surrounding_space | The value had blanks around it; they were removed. | Remove them in the SIS.
row.field_forbidden_in_bulk | A bulk file fills status or dateLastModified; the values were ignored. | Leave both blank in bulk files.
row.field_required_in_delta | A delta row lacks a status or a date of modification. | Fill both in delta files.
reference.missing_target_record | The record that the row points to is not there. | Export the record too, or correct the sourcedId.
reference.target_quarantined | The record that the row points to has errors of its own. | Correct that record; this row needs nothing.
reference.target_removed | The record that the row points to is being removed. | Remove this row too, or keep the record.
reference.duplicate_sourced_id | Several different rows have the same sourcedId. | Give every record its own sourcedId.
reference.repeated_row | The same row stands in the file more than once; it was used once. | Remove the repetition.
reference.missing_role | The user has no row in roles.csv. | Export the user's roles too.
reference.cycle | The record is its own ancestor. | Correct parentSourcedId.
semantic.login_taken | Another user has the same login e-mail; neither row is used. | Give each person an e-mail address of their own.
semantic.missing_login | The user has no e-mail address and can't be matched to an account or log in. | Fill the e-mail address in the SIS.
semantic.login_from_username | The e-mail address was blank and the username, which is one, was used. | Fill the e-mail address in the SIS.
semantic.date_order | The end lies before the beginning. | Correct the dates.
semantic.tobedeleted_in_bulk | A bulk row is marked tobedeleted. | Leave the row out, or send the file as delta.
semantic.unclear_identity | The row's sourcedId can't be read, so nothing of its kind is removed in this run. | Correct the row.
semantic.credited_admin_kept | The credited administrator was absent or disabled, and is kept. | Choose another credited administrator if this one left.
guard.removals | More records would be removed than the site allows without a person's word. | Look at the plan, then approve or discard it.
guard.error_rate | More rows of a file have errors than the site allows. | Correct the export, or look at the plan and approve it.
guard.empty_file | A bulk file has no rows: everything of its kind would be removed. | Export the file again, or look at the plan and approve it.
guard.identity_shift | Many sourcedIds vanish while new ones come with the same e-mail addresses. | Ask the SIS team whether the sourcedIds changed.
guard.wrong_source | Less than half of the known sourcedIds are in the file. | Check that the package is of this district and of this year.
"""

_NO_VIOLATION = {
    "upload.not_found",
    "package.never_opened",
    "reference.repeated_row",
    "semantic.missing_login",
    "semantic.login_from_username",
    "semantic.credited_admin_kept",
    "reference.target_removed",
}


def _read(table: str) -> dict[str, Code]:
    codes = {}
    for line in table.strip().splitlines():
        name, meaning, hint = (part.strip() for part in line.split("|"))
        violation = name not in _NO_VIOLATION and not name.startswith("guard.")
        codes[name] = Code(name, meaning, hint, violation)
    return codes


CODES: dict[str, Code] = _read(_TABLE)
