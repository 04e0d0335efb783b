"""What a command is to act on, however it is written."""

from __future__ import annotations

import pytest

from graph.entity import KINDS
from server.cli.failures import Failure
from server.cli.targets import deployment_text, in_tenant, kind_and_names, one_name, target_text

ID = "deployment_01M7ZWM2E6K2ABCDEFGHJKMNPQ"


@pytest.mark.parametrize(
    ("words", "kind", "names"),
    [
        (["site", "a", "b"], "Site", ["a", "b"]),
        (["site/a"], "Site", ["a"]),
        (["Sites/a", "site/b", "c"], "Site", ["a", "b", "c"]),
        (["app-version/shop/hello/1.0"], "AppVersion", ["shop/hello/1.0"]),
        (["deploy/hello"], "Deployment", ["hello"]),
        (["sites"], "Site", []),
        (["node", "lab/n1"], "Node", ["lab/n1"]),
    ],
)
def test_a_kind_and_its_names_in_either_spelling(words: list[str], kind: str, names: list[str]) -> None:
    found, given = kind_and_names(words[0], words[1:])
    assert (found.name, given) == (kind, names)


@pytest.mark.parametrize("words", [("site", None), ("site/a", "b"), ("site/", None)])
def test_one_name_is_one(words: tuple[str, str | None]) -> None:
    with pytest.raises(Failure):
        one_name(*words)


@pytest.mark.parametrize(
    ("words", "tenant", "text"),
    [
        (("hello", None), None, "hello"),
        (("shop/hello", None), None, "shop/hello"),
        (("deployment/hello", None), None, "hello"),
        (("deployment", "hello"), None, "hello"),
        (("deployment", None), None, "deployment"),
        (("deployments/shop/hello", None), "shop", "shop/hello"),
        (("hello", None), "shop", "shop/hello"),
        (("deploy", "hello"), "shop", "shop/hello"),
        ((ID, None), "shop", ID),
    ],
)
def test_a_deployment_in_every_spelling(words: tuple[str, str | None], tenant: str | None, text: str) -> None:
    assert deployment_text(*words, tenant=tenant) == text


def test_what_is_not_within_tenants_is_not_looked_for_in_one() -> None:
    with pytest.raises(Failure, match="not named within a tenant"):
        in_tenant(KINDS["User"], "mara", "shop")


def test_a_target_of_two_words_is_one_of_one() -> None:
    assert target_text("Sites", "Vienna") == "site/Vienna"
    assert target_text("site/Vienna", None) == "site/Vienna"
