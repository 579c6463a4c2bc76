"""Clocks: processes, services, the machine."""
