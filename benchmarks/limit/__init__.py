"""The limit: the fastest honest script for the same work, in Polars and COPY."""
