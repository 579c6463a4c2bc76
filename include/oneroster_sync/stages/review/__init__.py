"""Stage 4, review: hold a plan that exceeds the site's thresholds.

`guards` checks a plan, `delta_guards` each delta alone, `by_school` counts for each school.
"""
