"""Queries: reads of the graph as the viewer sees it."""
