"""Benchmark of reading the change feed with years of audit stored."""
