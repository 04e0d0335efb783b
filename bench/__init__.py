"""Benchmarks: each module is a command, run by `make bench NAME=…`, that prints its figures beside their targets."""
