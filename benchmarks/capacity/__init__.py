"""`make capacity`: the resources for a number of districts, from measured costs."""
