"""Names on a backend are legal, readable, unique and the same whenever they are made."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.naming import INSTANCE_NAME_MAX, RELEASE_NAME_MAX, instance_name, release_name, short_hash, slug

LABEL = re.compile(r"^[a-z]([a-z0-9-]*[a-z0-9])?$")


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_every_name_is_a_dns_label_of_legal_length(deployment: str, component: str, identity: list[str]) -> None:
    name = release_name(deployment_name=deployment, component_name=component, identity=tuple(identity))
    assert len(name) <= RELEASE_NAME_MAX
    assert LABEL.match(name)
    replica = instance_name(name, generation=7, node="node_1", index=3)
    assert len(replica) <= INSTANCE_NAME_MAX
    assert LABEL.match(replica)


def test_the_identity_alone_makes_a_name_unique() -> None:
    one = release_name(deployment_name="shop", component_name="web", identity=("d1", "web", "s1"))
    other = release_name(deployment_name="shop", component_name="web", identity=("d1", "web", "s2"))
    assert one != other
    assert one == release_name(deployment_name="shop", component_name="web", identity=("d1", "web", "s1"))
    assert one.startswith("shop-web-")


def test_parts_of_an_identity_do_not_run_together() -> None:
    assert short_hash("ab", "c") != short_hash("a", "bc")
    assert short_hash("a\x00", "b") != short_hash("a", "\x00b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Shop Front", "shop-front"), ("São Paulo", "sao-paulo"), ("東京", ""), ("--a--", "a"), ("a" * 99, "a" * 20)],
)
def test_a_slug_keeps_what_is_readable(text: str, expected: str) -> None:
    assert slug(text, limit=20) == expected
