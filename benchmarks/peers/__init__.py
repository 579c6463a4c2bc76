"""The peers: other tools for the same work, each used in the ordinary way.

They are separate programs, which `benchmarks.sync.measure` starts as whole processes in an
environment with their requirements (`benchmarks/requirements-peers.txt`).
"""
