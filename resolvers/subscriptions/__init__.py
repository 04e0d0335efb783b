"""Subscriptions: live queries that the server executes once for each group of equal subscribers."""
