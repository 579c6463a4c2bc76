"""`make bench-scale`: many sites on Celery workers, due at once and at rest."""
