"""An oracle of the whole sync: the roster of a site after days of every kind, in dictionaries.

* `sis` makes a small district with its days, packages and broken rows;
* `source` chooses the packages that a run reads, and folds them with pending deltas;
* `door` reads a package and finds the staff; `judge` decides which rows are used;
* `links`, `people` and `plan` compute the new roster, `guards` decides whether a plan is held,
  and `undo` takes back a run;
* `site` is a site over time, with all of these: runs, decisions, pending deltas;
* `pairing` takes the same steps on a real site with the public Python API, and compares;
* `life` draws the steps;
* `shrink` reduces a day on which they differ as far as possible.

The model follows the documentation (docs/design, docs/reference/semantics.md) and imports nothing
of the product, so that the two don't share an error.
"""
