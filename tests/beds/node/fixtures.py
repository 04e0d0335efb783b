"""Node with the npm packages of the tests."""

from __future__ import annotations

import pytest

from beds.node.packages import NodePackages, installed, node
from beds.parts import PartMissing, skip


@pytest.fixture(scope="session")
def node_packages() -> NodePackages:
    """Node and the npm packages of tests/beds/node; `.run(script)` runs an ES module that imports them."""
    try:
        return NodePackages(node=node(), folder=installed())
    except PartMissing as missing:
        skip("npm packages", missing)
