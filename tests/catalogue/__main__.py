"""Write the tables of docs/reliability.md and print the cases that have no test yet."""

from __future__ import annotations

import sys

from catalogue.page import PAGE, as_markdown, untested

if __name__ == "__main__":
    PAGE.write_text(as_markdown(PAGE.read_text("utf-8")), "utf-8")
    for promise in untested():
        sys.stdout.write(f"{promise.case} has no test yet: {promise.what}\n")
