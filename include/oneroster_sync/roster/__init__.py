"""The roster: users, courses and course assignments of a site, and the audit of their changes.

`columns` declares the columns, `model` is the roster in memory, and `reader` reads it. `history`
and `recent_changes` read the audit. `protections` stores the records that a row with errors
protects.
"""
