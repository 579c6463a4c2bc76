"""`python -m oneroster_sync.cli` is the command `oneroster`."""

from oneroster_sync.cli import main

if __name__ == "__main__":
    main()
