"""What `make bench-pages` measures: the pages' lists, with years of runs stored."""
