"""Benchmarks: run by `make bench`, results written to benchmarks/results/."""
