"""`make bench-pages`: the pages' lists, with years of runs stored."""
