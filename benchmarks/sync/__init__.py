"""What `make bench` measures: a whole sync beside its limit and its peers."""
