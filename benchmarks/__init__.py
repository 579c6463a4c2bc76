"""Measurements that anybody can repeat; what they came to stands in docs/performance.md."""
