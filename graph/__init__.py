"""The model: entities, changes, the in-memory view, the feed, paths, and the stores that keep them."""
