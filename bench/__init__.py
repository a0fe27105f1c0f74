"""Benchmarks: our work beside a peer's and beside the least that the work can take, in turns, on one machine.

Only ratios are told: the machine differs, and what it does besides. `make bench` runs them; one file is one benchmark.
"""
