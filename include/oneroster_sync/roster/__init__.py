"""The roster: accounts, courses and course assignments of a site, and what was changed and why.

`schema` declares the columns, `model` is the roster in memory, `reader` reads it, `history` and
`recent_changes` read the audit; `protections` are records that a broken row keeps as they are.
"""
