"""The six stages of a run: extract, validate, diff, review, apply, record.

`pipeline` calls them in their order; in Airflow each is a task.
"""
