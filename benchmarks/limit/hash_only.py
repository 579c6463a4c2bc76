"""The minimum for a no-change day: read a package and hash it.

python -m benchmarks.limit.hash_only PACKAGE
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path


def sha256_of(folder: Path) -> str:
    """Return the sha256 of a folder's files sorted by name, equal to the one in a run's record."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                digest.update(data)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(sha256_of(Path(sys.argv[1])))
