"""Time processes and services, and describe the machine."""
