"""Measurements behind the published numbers, each a module to run again.

Every module has ``measure(...)``, which returns a plain dict with the machine in
it, ``show(result)``, which prints that, and a command line
(``python -m kerasopt.benchmarks.throughput --help``).
"""
