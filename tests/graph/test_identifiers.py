"""Ids rise with the time of their making; names and labels are what they may be."""

from __future__ import annotations

import os
import string
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graph.kinds  # noqa: F401 - declares the kinds
from graph import identifiers
from graph.entity import KINDS, kind_by_id
from graph.identifiers import (
    CROCKFORD,
    NAME_MAX_LENGTH,
    UlidSource,
    label_key_problem,
    label_value_problem,
    name_problem,
    new_id,
    new_ulid,
)


def time_of(ulid: str) -> int:
    value = 0
    for character in ulid:
        value = value << 5 | CROCKFORD.index(character)
    return value >> 80


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**48 - 2), min_size=1, max_size=50))
def test_ids_rise_strictly_whatever_the_clock_does(times: list[int]) -> None:
    source = UlidSource()
    made = [source.make(at_ms=at) for at in times]
    assert made == sorted(set(made))
    assert all(len(one) == 26 and set(one) <= set(CROCKFORD) for one in made)
    newest = 0
    for at, one in zip(times, made, strict=True):
        newest = max(newest, at)
        # The time is the clock's own, or the newest before it when the clock has fallen back.
        assert newest <= time_of(one) <= newest + 1


def test_an_id_has_its_time() -> None:
    assert time_of(UlidSource().make(at_ms=1_700_000_000_123)) == 1_700_000_000_123


@pytest.mark.parametrize("at", [-1, 2**48, 2**70])
def test_a_time_that_no_id_can_have_is_refused_and_spoils_none_after_it(at: int) -> None:
    source = UlidSource()
    with pytest.raises(ValueError, match="48 bits"):
        source.make(at_ms=at)
    assert time_of(source.make(at_ms=1_700_000_000_123)) == 1_700_000_000_123


def test_threads_never_make_the_same() -> None:
    made: list[str] = []

    def make() -> None:
        made.extend([new_ulid() for _ in range(500)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(made)) == 2_000


@pytest.mark.parametrize("name", list(KINDS))
def test_an_id_tells_its_kind(name: str) -> None:
    kind = KINDS[name]
    assert kind_by_id(new_id(kind.prefix)) is kind


@pytest.mark.parametrize("text", ["", "_", "nonsense", "site", "site-01", "_site_1", "SITE_1"])
def test_what_is_no_id_has_no_kind(text: str) -> None:
    assert kind_by_id(text) is None


@pytest.mark.parametrize(
    "name", ["a", "A b", "x" * NAME_MAX_LENGTH, "東京", "ß.ü", "🛰", "1", "a=b,c", "a'\"`b", "..", "%s"]
)
def test_a_name_is_any_text_without_slashes(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a ",
        "\ta",
        "a/b",
        "a\\b",
        "x" * (NAME_MAX_LENGTH + 1),
        "a\x00",
        "a\x7f",
        "a\x9f",
        "a\u2029b",
        "a\n",
        "\udfff",
    ],
)
def test_a_name_with_what_separates_or_controls_is_none(name: str) -> None:
    assert name_problem(name)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_an_accepted_name_can_be_written_and_is_one_line(name: str) -> None:
    if name_problem(name) is None:
        assert 1 <= len(name) <= NAME_MAX_LENGTH
        assert name.encode()
        assert name.splitlines() == [name]
        assert name == name.strip()


ALLOWED = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    "key", ["a", "A", "a.b-c_d", "example.org/a", "a-b.c/D", "x" * 63, f"{'a' * 253}/b", "kubernetes.io/hostname", "0"]
)
def test_a_label_key_by_the_rules(key: str) -> None:
    assert label_key_problem(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        "-a",
        "a-",
        "a b",
        "x" * 64,
        "/a",
        "a/",
        "a/b/c",
        "A.org/b",
        f"{'a' * 254}/b",
        "a..b/c",
        "a\n",
        "a\n/b",
        "ä",
        "a:b",
        ".",
    ],
)
def test_what_is_no_label_key(key: str) -> None:
    assert label_key_problem(key)


@pytest.mark.parametrize("value", ["", "a", "A.b-c_9", "x" * 63, "0"])
def test_a_label_value_by_the_rules(value: str) -> None:
    assert label_value_problem(value) is None


@pytest.mark.parametrize("value", [" ", "-", "a-", "x" * 64, "a/b", "a\n", "ü", "a b", "\n"])
def test_what_is_no_label_value(value: str) -> None:
    assert label_value_problem(value)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(), max_size=70))
def test_only_ascii_letters_digits_and_a_few_signs_are_in_labels(text: str) -> None:
    if label_value_problem(text) is None and text:
        assert set(text) <= set(ALLOWED + "._-")
        assert text[0] in ALLOWED
        assert text[-1] in ALLOWED
        assert len(text) <= 63


def test_a_forked_process_makes_other_ids_than_its_parent() -> None:
    new_ulid(at_ms=1)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_ulid(at_ms=2**47).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    mine = UlidSource()
    mine._drawn = identifiers._source._drawn  # what the parent would draw next
    assert theirs != mine.make(at_ms=2**47)
    assert time_of(theirs) == 2**47
