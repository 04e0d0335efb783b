"""Documents: kept when they were read once, refused when they are too large, before anything is executed."""

from __future__ import annotations

import sys
import tracemalloc
from types import FrameType

import pytest
from graphql import get_introspection_query

from endpointkit.world import schema
from server.documents import BYTES_PER_TOKEN, DocumentCache
from server.endpoint_limits import EndpointLimits
from server.masking import Refused, limit_exceeded


def cache(**limits: int) -> DocumentCache:
    return DocumentCache(schema._schema, limits=EndpointLimits(**limits))


def code(refused: Refused) -> object:
    extensions = refused.errors[0]["extensions"]
    assert isinstance(extensions, dict)
    return extensions.get("limit") or extensions["code"]


def test_a_text_that_was_read_is_not_read_again_though_limits_are_on() -> None:
    lookups: list[bool] = []
    documents = DocumentCache(schema._schema, limits=EndpointLimits(), on_lookup=lookups.append)
    first = documents.get("{ hello }")
    assert documents.get("{ hello }") is first
    assert documents.get("{ hello  }") is not first
    assert lookups == [False, True, False]


def test_a_refusal_is_kept_too_and_told_in_the_same_words() -> None:
    lookups: list[bool] = []
    documents = DocumentCache(schema._schema, limits=EndpointLimits(), on_lookup=lookups.append)
    told = []
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            documents.get("{ nothing }")
        told.append(refused.value.errors)
    assert told[0] == told[1]
    assert lookups == [False, True]


def test_the_cache_is_bounded_by_count_and_the_oldest_goes_first() -> None:
    documents = cache(cached_documents=3)
    kept = [documents.get(f'{{ hello(name: "{n}") }}') for n in range(3)]
    assert documents.get('{ hello(name: "0") }') is kept[0]
    documents.get('{ hello(name: "3") }')
    assert len(documents) == 3
    assert documents.get('{ hello(name: "0") }') is kept[0]
    assert documents.get('{ hello(name: "1") }') is not kept[1]


def test_the_cache_is_bounded_by_bytes_and_counts_down_what_it_drops() -> None:
    documents = cache(cached_document_bytes=200_000)
    for n in range(200):
        documents.get("{ hello } #" + "x" * 5_000 + str(n))
        assert documents.estimated_bytes <= 200_000
    assert 0 < len(documents) < 20
    too_large = "{ hello } #" + "x" * 60_000
    assert documents.get(too_large) is not documents.get(too_large)


def test_the_estimate_of_a_documents_memory_is_not_too_low() -> None:
    text = "{ sites { nodes { " + " ".join(f"a{n}: neighbours {{ id name tier }}" for n in range(40)) + " } } }"
    documents = cache()
    documents.get("{ hello }")
    tracemalloc.start()
    try:
        document = documents.get(text)
        used, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used <= document.tokens * BYTES_PER_TOKEN + 8 * len(text)


def test_the_introspection_of_graphiql_is_within_the_limits() -> None:
    documents = cache()
    document = documents.get(
        get_introspection_query(
            specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
        )
    )
    operation = document.operation(None)
    assert operation.introspective
    assert operation.cost.evaluate({}) < EndpointLimits().max_cost


HOSTILE = {
    "depth": "{ sites " + "{ nodes { neighbours " * 60 + "{ id }" + "} }" * 60 + " }",
    "depth by fragments": "{ sites { nodes { ...F0 } } } "
    + " ".join(f"fragment F{n} on Site {{ neighbours {{ ...F{n + 1} }} }}" for n in range(40))
    + " fragment F40 on Site { id }",
    "braces": "{a" * 900,
    "lists": "{ hello(name: " + "[" * 1_900 + ") }",
    "aliases": "{ " + " ".join(f"a{n}: hello" for n in range(400)) + " }",
    "aliases by fragments": "{ sites { nodes { ...F0 } } } "
    + " ".join(
        f"fragment F{n} on Site {{ a{n}: neighbours {{ ...F{n + 1} }} b{n}: neighbours {{ ...F{n + 1} }} }}"
        for n in range(10)
    )
    + " fragment F10 on Site { id }",
    "fragment cycle": "{ sites { nodes { ...A } } } fragment A on Site { neighbours { ...B } } "
    "fragment B on Site { neighbours { ...A } }",
    "fragment on itself": "{ sites { nodes { ...A } } } fragment A on Site { ...A }",
    "many fragments": "{ hello } " + " ".join(f"fragment F{n} on Site {{ id }}" for n in range(150)),
    "many spreads": "{ sites { nodes { " + "...F " * 900 + "} } } fragment F on Site { id }",
    "directives": "{ hello " + "@include(if: true) " * 200 + "}",
    "unknown directives": "{ hello " + "@a" * 900 + "}",
    "tokens": "{ " + "hello " * 5_000 + "}",
    "repeats": "{ " + "hello " * 1_500 + "}",
    "repeats nested": "{ sites { nodes { " + "id " * 700 + "name " * 700 + "} } }",
    "arguments": "{ hello(" + 'name: "x" ' * 600 + ") }",
    "unknown fields": "{ " + " ".join(f"f{n}" for n in range(900)) + " }",
    "variables": "query (" + " ".join(f"$v{n}: Int" for n in range(480)) + ") { hello }",
    "comments": "#\n" * 100_000 + "{ hello }",
    "a huge string": '{ hello(name: "' + "x" * 250_000 + '"',
    "a huge number": "{ sites(first: " + "9" * 250_000 + ") { nodes { id } } }",
    "a huge name": "{ " + "x" * 250_000 + " }",
    "white space": " " * 250_000,
    "operations": " ".join(f"query Q{n} {{ hello }}" for n in range(390)) + " query Q0 { hello }",
    "introspection": "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + " } }" * 4 + " } }",
    "inline fragments": "{ " + "... { " * 900 + "hello" + " }" * 900 + " }",
    "unterminated": '{ hello(name: """' + "x" * 250_000,
    "not a query": "type Query { hello: String }",
    "a mutation field in a query": "{ rename }",
    "two subscription roots": "subscription { a: sites { __typename } b: sites { __typename } }",
}
MOST_CALLS = 2_000_000
"""Calls of functions, which no load of the machine changes. Three a character (250,000 of them) are the most that is
needed; a rule that looks at pairs of fields takes several times as many."""


def calls_to_refuse(text: str) -> int:
    """How many functions are called, in Python or below it, to refuse a document that was not seen before."""
    documents, calls = cache(), 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with pytest.raises(Refused):
            documents.get(text)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_with_little_work_and_little_memory(name: str) -> None:
    documents = cache()
    documents.get("{ hello }")
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as refused:
            documents.get(HOSTILE[name])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 1024 * 1024
    assert len(refused.value.errors) <= 11
    assert all(len(str(error["message"])) <= 501 for error in refused.value.errors)
    assert "Did you mean" not in str(refused.value.errors)
    assert calls_to_refuse(HOSTILE[name]) < MOST_CALLS


LIMITED = [
    ("depth", "depth"),
    ("depth by fragments", "depth"),
    ("braces", "depth"),
    ("aliases", "aliases"),
    ("aliases by fragments", "aliases"),
    ("operations", "operations"),
    ("many fragments", "fragments"),
    ("many spreads", "fragment spreads"),
    ("directives", "directives"),
    ("tokens", "tokens"),
    ("repeats", "repeated fields"),
    ("comments", "comments"),
    ("fragment cycle", "GRAPHQL_VALIDATION_FAILED"),
    ("unterminated", "GRAPHQL_PARSE_FAILED"),
    ("introspection", "GRAPHQL_VALIDATION_FAILED"),
    ("not a query", "GRAPHQL_VALIDATION_FAILED"),
]


@pytest.mark.parametrize(("name", "expected"), LIMITED)
def test_a_refusal_names_the_limit_with_what_was_sent_and_what_is_allowed(name: str, expected: str) -> None:
    with pytest.raises(Refused) as refused:
        cache().get(HOSTILE[name])
    assert code(refused.value) == expected
    extensions = refused.value.errors[0]["extensions"]
    assert isinstance(extensions, dict)
    if extensions["code"] == "LIMIT_EXCEEDED":
        assert extensions["have"] is None or extensions["have"] > extensions["allowed"]
        assert extensions["remedy"]


@pytest.mark.parametrize(
    ("limit", "have", "allowed", "message"),
    [
        ("aliases", 31, 30, "too many aliases: 31; at most 30 are allowed"),
        ("tokens", None, 2_000, "too many tokens; at most 2000 are allowed"),
        ("operations under way", 2, 1, "too many operations under way: 2; at most 1 is allowed"),
        ("cost", 501, 500, "the request's cost is 501; at most 500 is allowed"),
        ("depth", None, 12, "the request's depth is too great; at most 12 is allowed"),
    ],
)
def test_the_words_of_a_limit(limit: str, have: int | None, allowed: int, message: str) -> None:
    assert str(limit_exceeded(limit, have=have, allowed=allowed, remedy="ask for less")) == message


def test_errors_say_where_they_are() -> None:
    with pytest.raises(Refused) as refused:
        cache().get("{\n  hello\n  nothing\n}")
    assert refused.value.errors[0]["locations"] == [{"line": 3, "column": 3}]


@pytest.mark.parametrize(
    ("document", "name", "found"),
    [
        ("{ hello }", None, None),
        ("query A { hello }", None, "A"),
        ("query A { hello } query B { me }", "B", "B"),
    ],
)
def test_an_operation_is_found_by_its_name_or_alone(document: str, name: str | None, found: str | None) -> None:
    assert cache().get(document).operation(name).name == found


@pytest.mark.parametrize(
    ("document", "name"), [("query A { hello } query B { me }", None), ("query A { hello }", "C"), ("{ hello }", "A")]
)
def test_an_operation_that_is_not_there_is_refused(document: str, name: str | None) -> None:
    with pytest.raises(Refused) as refused:
        cache().get(document).operation(name)
    assert code(refused.value) == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("document", "cursors"),
    [
        ("subscription ($c: String) { sites(after: $c) { __typename } }", {"c"}),
        ("subscription ($c: String) { sites(after: $c, only: $c) { __typename } }", set()),
        ("subscription ($c: String, $o: String) { sites(after: $c, only: $o) { __typename } }", {"c"}),
        ("query ($c: String) { sites(after: $c) { totalCount } }", set()),
        ("subscription { sites { __typename } }", set()),
    ],
)
def test_only_a_variable_that_is_nothing_but_the_cursor_does_not_divide_groups(
    document: str, cursors: set[str]
) -> None:
    assert cache().get(document).operation(None).cursor_variables == cursors
