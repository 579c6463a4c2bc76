"""What `make bench-scale` measures: many sites on Celery workers, due at once and at rest."""
