"""What `make capacity` computes: what a number of districts needs, from measured costs."""
