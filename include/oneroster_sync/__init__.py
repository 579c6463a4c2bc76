"""A OneRoster sync: six stages from a package to a roster database."""
