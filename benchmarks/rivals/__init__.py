"""The rivals: one program each, run as `python -m benchmarks.rivals.NAME WORKLOAD FOLDER MODE`."""
