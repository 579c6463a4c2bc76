"""An oracle of the whole sync: what a site holds after days of every kind, in plain dictionaries.

* `sis` makes a small district, its days, its packages and their broken rows;
* `source` says which packages a run reads, and what they and pending deltas say together;
* `door` reads a package: who is staff; `judge` says which rows are used;
* `links`, `people` and `plan` say what becomes of the roster, `guards` whether a person is asked
  first, `undo` how a run is taken back;
* `site` is a site with all of that over time: runs, decisions, pending deltas;
* `pairing` takes the same steps on a real site by the public Python API, and tells what differs;
* `life` tells what happens;
* `shrink` makes a day that differs as small as it gets.

The model is written from the documentation (docs/design, docs/reference/semantics.md) and imports
nothing of the product: an error of one is not an error of both.
"""
