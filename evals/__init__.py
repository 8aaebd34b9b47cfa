"""Suites that score decisions, the simulated market and benchmarks."""
