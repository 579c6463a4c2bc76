"""Write docs/reference/dialects.md to the standard output."""

from __future__ import annotations

import sys

from dialects import as_page

if __name__ == "__main__":
    sys.stdout.write(as_page())
