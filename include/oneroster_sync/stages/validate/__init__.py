"""Stage 2, validate: the suites under `expectations/` decide which rows are used.

`suites` loads them, `rows` walks the files in an order in which a target stands before what points
to it, `gx_runner` runs one suite over one file; `expectations` and `relations` add what the suites
need and Great Expectations lacks. Everything of Great Expectations that is not public is in the
modules `gx_…`. It is loaded when a stage runs.
"""
