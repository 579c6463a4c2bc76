"""Stage 1, extract: what comes in as a package leaves as one staff-only snapshot per file.

`acquire` gets the package, `archive` opens it, `manifest` says which files count and how;
`csv_lines` and `csv_table` turn CSV into tables; `headers` and `repairs` hold the named repairs of
the tolerant profile; `staff_filter` drops everybody who is not staff; `mapping_csv` reads ids.csv
and links.csv, which are no packages; `pending_deltas` and `fold` add the deltas that came before.

A repair is made only where there is one way to read what was meant, and each is a finding.
"""
