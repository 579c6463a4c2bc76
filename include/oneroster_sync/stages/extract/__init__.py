"""Stage 1, extract: turn a package into one staff-only snapshot per file.

`acquire` fetches the package, `archive` opens it, `manifest` reads which files count and how;
`csv_lines` and `csv_table` turn CSV into tables; `headers` and `repairs` hold the named repairs of
the tolerant profile; `staff_filter` drops all people who are not staff; `mapping_csv` reads ids.csv
and links.csv, which are not packages; `pending_deltas` and `fold` add the earlier, pending deltas.

A repair is made only where one meaning is possible, and each repair is a finding.
"""
