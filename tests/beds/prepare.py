"""Have every real part of the tests ready before they run, and say which cannot be had and why.

`make test` calls this. It ends with 0 also when parts are missing: without root, Java or Node there is less to test
and the tests of what is missing skip with the same reason.
"""

from __future__ import annotations

from collections.abc import Callable

from beds.chromium import browser
from beds.nats import server as nats
from beds.neo4j import classes as neo4j
from beds.node import packages
from beds.parts import PartMissing
from beds.prometheus import server as prometheus

PARTS: dict[str, Callable[[], str]] = {
    "NATS": nats.ready,
    "Neo4j": neo4j.ready,
    "Prometheus": prometheus.ready,
    "npm packages": packages.ready,
    "Chromium": lambda: browser.ready(install=True),
}


def main() -> None:
    """Prepare the parts one after another."""
    for name, ready in PARTS.items():
        try:
            print(f"    {name}: {ready()}", flush=True)
        except PartMissing as missing:
            print(f"    {name}: NOT TO BE HAD, its tests will skip: {missing}", flush=True)


if __name__ == "__main__":
    main()
