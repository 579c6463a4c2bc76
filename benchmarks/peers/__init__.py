"""The peers: what else one might use for the same work, each the ordinary way.

They are programs of their own, started by `benchmarks.sync.measure` as whole processes in an
environment that has what they need (`benchmarks/requirements-peers.txt`).
"""
