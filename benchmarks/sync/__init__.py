"""`make bench`: a whole sync, compared with its limit and its peers."""
