"""Stage 4, review: is the plan within the site's limits, or does it wait for a person?

`guards` judges a plan, `delta_guards` each delta by itself, `by_school` counts for each school.
"""
