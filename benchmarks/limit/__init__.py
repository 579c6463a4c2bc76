"""The limit: the fastest honest script for the same work, with Polars and COPY."""
