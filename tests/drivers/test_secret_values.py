"""References to secrets: what they stand for is put in their places, once and for this call alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from driverkit.work import work
from drivers.port import Permanent, no_workload_secrets
from drivers.secret_values import revealed

SECRET, OTHER = "secret_01M7YQ2Z3B4C5D6E7F8G9HJKMN", "secret_01M7YQ2Z3B4C5D6E7F8G9HJKMP"


class Kept:
    """Secrets of one tenant that count who asks."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, secret_id: str, tenant_id: str) -> Mapping[str, str]:
        self.asked.append((secret_id, tenant_id))
        return {"password": "hunter2", "user": "shop"}


async def test_each_secret_is_asked_for_once_and_put_in_its_places() -> None:
    kept = Kept()
    values = {
        "db": {"user": {"secret": SECRET, "key": "user"}, "password": {"secret": SECRET, "key": "password"}},
        "others": [{"secret": OTHER, "key": "user"}, "plain"],
        "chart": {"secret": "db-credentials", "key": "password"},
    }
    given = work(configuration=values)
    assert await revealed(given, kept) == {
        "db": {"user": "shop", "password": "hunter2"},
        "others": ["shop", "plain"],
        "chart": {"secret": "db-credentials", "key": "password"},
    }
    assert kept.asked == [(SECRET, "tenant_1"), (OTHER, "tenant_1")]
    assert given.configuration == values, "what is kept has the references"


async def test_values_without_references_ask_for_nothing() -> None:
    values = {"a": 1}
    assert await revealed(work(configuration=values), no_workload_secrets) is not None
    assert (await revealed(work(configuration=values), no_workload_secrets)) == values


@pytest.mark.parametrize(("secrets", "key"), [(Kept(), "token"), (no_workload_secrets, "password")])
async def test_what_cannot_be_had_is_refused_without_a_word_of_what_is_there(secrets, key: str) -> None:
    with pytest.raises(Permanent) as refused:
        await revealed(work(configuration={"db": {"secret": SECRET, "key": key}}), secrets)
    assert SECRET in str(refused.value)
    assert "hunter2" not in str(refused.value)
