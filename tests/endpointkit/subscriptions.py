"""What the tests of subscriptions subscribe to."""

from __future__ import annotations

SITES = """
subscription Sites($after: String, $rate: Float! = 1000.0, $only: String) {
  sites(after: $after, maxRateHz: $rate, only: $only) {
    __typename
    ... on Snapshot { revision sites { id name } }
    ... on Delta { revision follows sites { id name } }
    ... on Heartbeat { revision }
    ... on Restart { revision reason }
  }
}
"""
CHANGES = """
subscription Changes($after: String) {
  changes(after: $after) {
    __typename
    ... on Delta { revision follows sites { id name } }
    ... on Heartbeat { revision }
    ... on Restart { revision reason }
  }
}
"""
