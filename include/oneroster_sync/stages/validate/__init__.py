"""Stage 2, validate: the suites under `expectations/` decide which rows are used.

`suites` loads the suites, `rows` judges the files in an order in which targets come before the rows
that refer to them, `gx_runner` runs one suite on one file; `expectations` and `relations` add
expectations that Great Expectations lacks. The modules `gx_…` contain all uses of its non-public
interface. The library is imported when a stage runs.
"""
