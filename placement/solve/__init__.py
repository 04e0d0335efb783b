"""Choosing sites: the solvers, over arrays alone.

`model` is what they are given, and `choice` what they give back. They know nothing of the graph, its kinds or its rules.
"""
