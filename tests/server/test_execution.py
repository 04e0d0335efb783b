"""Executing: the same answers as graphql-core's own executor, within a deadline, and masked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import strawberry
from graphql import ExecutionResult, located_error, parse
from graphql.execution import Executor
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from endpointkit.served import Person
from endpointkit.world import Context, LiveOperation, Tier, World, schema
from graph.store import StoreUnavailable
from placement import compiled
from resolvers.problems import RequestProblem, RevisionNotReached, StoreAway
from server.endpoint_limits import EndpointLimits
from server.execution import Engine, Parameters, correlation_id, encode
from server.field_executor import FieldExecutor
from server.masking import Refused, masked

ANN = Person("ann")


def engine_of(world: World, **limits: Any) -> Engine[Person]:
    return Engine(
        schema._schema,
        context_factory=lambda viewer, correlation: Context(world, viewer, correlation),
        limits=EndpointLimits(**limits),
    )


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is logged; printing tracebacks would take most of the time."""
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def world() -> World:
    world = World()
    world.add(3)
    return world


async def answered(engine: Engine[Person], query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    running = engine.run(engine.prepare(Parameters(query, None, variables or {})), ANN, "c-1")
    answer = running if isinstance(running, dict) else await running
    decoded = orjson.loads(encode(answer, "c-1"))
    assert isinstance(decoded, dict)
    return decoded


# --- the same as graphql-core -------------------------------------------------------------------------------------------


class Odd:
    """Values that a careless resolver might return."""

    def __init__(self, value: object) -> None:
        for name in (
            "text",
            "number",
            "real",
            "flag",
            "tier",
            "key",
            "day",
            "list_of_text",
            "list_of_numbers",
            "reals",
        ):
            setattr(self, name, value)
            setattr(self, f"maybe_{name}", value)

    @property
    def failing(self) -> str:
        raise KeyError("a property that fails")


async def later(value: object) -> object:
    return value


@strawberry.type
class Row:
    text: str
    number: int
    real: float
    flag: bool
    tier: Tier
    key: strawberry.ID
    list_of_text: list[str]
    list_of_numbers: list[int]
    reals: list[float]
    maybe_text: str | None
    maybe_number: int | None
    maybe_real: float | None
    maybe_flag: bool | None
    maybe_tier: Tier | None
    maybe_key: strawberry.ID | None
    failing: str | None

    @strawberry.field
    def method(self) -> str | None:
        return self.maybe_text

    @strawberry.field
    def method_strict(self) -> int:
        return self.number

    @strawberry.field
    def same(self) -> Row | None:
        return self


@strawberry.type
class RowQuery:
    @strawberry.field
    def rows(self, info: strawberry.Info) -> list[Row | None]:
        return info.context


ROWS = strawberry.Schema(RowQuery)._schema
LEAVES = [
    *("text", "number", "real", "flag", "tier", "key", "listOfText", "listOfNumbers", "reals", "maybeText"),
    *("maybeNumber", "maybeReal", "maybeFlag", "maybeTier", "maybeKey", "failing", "method", "methodStrict"),
    "__typename",
]

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**33), 2**33),
    st.floats(allow_nan=True),
    st.text(max_size=3),
    st.sampled_from([Tier.CORE, Tier.EDGE, "core", "CORE", math.inf, 2**31, -(2**31) - 1, [], {}, b"x", object()]),
    st.lists(st.one_of(st.text(max_size=2), st.integers(-(2**40), 2**40), st.floats(), st.none()), max_size=3),
    st.lists(st.floats(), max_size=3),
    st.lists(st.text(max_size=2), max_size=3),
    st.tuples(st.integers(-(2**31), 2**31)),
    st.builds(lambda: ValueError("returned, not raised")),
)


def told(result: ExecutionResult) -> tuple[object, list[object]]:
    errors = [
        (str(error.message), error.path, [str(place) for place in error.locations or ()])
        for error in result.errors or ()
    ]
    return repr(result.data), sorted(errors, key=repr)


@settings(max_examples=300, deadline=None)
@given(
    values=st.lists(VALUES, max_size=3),
    leaves=st.lists(st.sampled_from(LEAVES), min_size=1, max_size=5, unique=True),
    nested=st.booleans(),
    awaited=st.booleans(),
)
def test_answers_and_errors_are_those_of_graphql_core(
    values: list[object], leaves: list[str], nested: bool, awaited: bool
) -> None:
    inner = " ".join(leaves)
    document = parse(f"{{ rows {{ {inner} {f'same {{ again: {leaves[0]} {inner} }}' if nested else ''} }} }}")

    async def run(executor_class: type[Executor[Any]]) -> tuple[object, list[object]]:
        rows: list[object] = []
        for value in values:
            row = Odd(value)
            row.same = None  # type: ignore[attr-defined]  # the class declares none: any value is tried
            if awaited:
                row.text = later(value)  # type: ignore[attr-defined]  # set by name in __init__
            rows.append(Row.__new__(Row))
            rows[-1].__dict__.update(row.__dict__)  # type: ignore[attr-defined]  # the list is typed as objects
        executor = executor_class.build(ROWS, document, None, rows)
        assert isinstance(executor, Executor)
        result = executor.execute_operation()
        for row_ in rows:
            text = getattr(row_, "text", None)
            if asyncio.iscoroutine(text) and "text" not in leaves:
                text.close()
        done = result if isinstance(result, ExecutionResult) else await result  # type: ignore[misc]  # its type is that of both, awaited or not
        for row_ in rows:
            text = getattr(row_, "text", None)
            if asyncio.iscoroutine(text):
                text.close()
        return told(done)

    if awaited and nested:
        return  # the same coroutine would be awaited twice
    expected = asyncio.run(run(Executor))
    assert asyncio.run(run(FieldExecutor)) == expected


async def test_interfaces_unions_fragments_directives_and_lists_are_answered(world: World) -> None:
    query = """query ($yes: Boolean!, $no: Boolean!) {
      named { __typename name ... on Site { id tier up note label again: label } ...S @include(if: $no) }
      sites(first: 2) { totalCount @skip(if: $yes) nodes { ...S neighbours(first: 1) { id } awaited } }
      byIds(ids: ["site_2", "nothing"]) { id }
      columns { latitude name }
      tier(of: CORE)
    } fragment S on Site { size latitude }"""
    answer = await answered(engine_of(world), query, {"yes": True, "no": False})
    assert answer == {
        "data": {
            "named": [
                {
                    "__typename": "Site", "name": f"n{n}", "id": f"site_{n}", "tier": "EDGE", "up": True, "note": None,
                    "label": f"n{n} (edge)", "again": f"n{n} (edge)",
                }
                for n in range(2)
            ],
            "sites": {
                "nodes": [
                    {"size": n, "latitude": n / 2, "neighbours": [{"id": "site_0"}], "awaited": f"n{n}"} for n in range(2)
                ]
            },
            "byIds": [{"id": "site_2"}, None],
            "columns": {"latitude": [0.0, 0.5, 1.0], "name": ["n0", "n1", "n2"]},
            "tier": "core",
        }
    }  # fmt: skip


async def test_reading_is_answered_without_awaiting_and_a_mutation_is_awaited(world: World) -> None:
    engine = engine_of(world)
    assert isinstance(engine.run(engine.prepare(Parameters("{ hello }", None, {})), ANN, "c"), dict)
    mutation = (
        'mutation { a: rename(input: {id: "site_1", name: "x"}) { __typename } '
        'b: rename(input: {id: "no", name: "x"}) { __typename ... on NotFound { message } } }'
    )
    assert (await answered(engine, mutation))["data"] == {
        "a": {"__typename": "Renamed"},
        "b": {"__typename": "NotFound", "message": "there is no site no"},
    }


async def test_a_documents_plans_are_shared_and_its_variables_are_not(world: World) -> None:
    engine = engine_of(world)
    query = 'query ($n: String, $k: [ID!]!) { hello(name: $n) again: hello(name: "x") byIds(ids: $k) { id label } }'
    plans = engine.documents.get(query).operation(None).plans
    assert plans is not None
    for number in range(3):
        answer = await answered(engine, query, {"n": f"v{number}", "k": [f"site_{number}"]})
        assert answer["data"]["hello"] == f"hello v{number}"
        assert answer["data"]["again"] == "hello x"
        assert [site["id"] for site in answer["data"]["byIds"]] == [f"site_{number}"]
        kept = len(plans.collected)
    assert len(plans.collected) == kept == 1
    conditional = "query ($yes: Boolean!) { hello @include(if: $yes) me }"
    assert engine.documents.get(conditional).operation(None).plans is None
    for yes in (True, False, True):
        assert ("hello" in (await answered(engine, conditional, {"yes": yes}))["data"]) is yes


async def test_a_mutations_fields_are_executed_one_after_the_other(world: World) -> None:
    names = [
        f'm{number}: rename(input: {{id: "site_1", name: "{number}"}}) {{ ... on Renamed {{ site {{ name revision }} }} }}'
        for number in range(20)
    ]
    answer = await answered(engine_of(world), f"mutation {{ __typename {' '.join(names)} }}")
    sites = [answer["data"][f"m{number}"]["site"] for number in range(20)]
    assert sites == [{"name": str(number), "revision": number + 1} for number in range(20)]


# --- errors ---------------------------------------------------------------------------------------------------------


async def test_a_bug_is_masked_and_its_words_are_in_the_log_under_the_correlation_id(
    world: World, logs: list[Any]
) -> None:
    answer = await answered(engine_of(world), "{ hello secret }")
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["path"] == ["secret"]
    assert error["extensions"] == {
        "code": "INTERNAL", "remedy": "report the correlation id to the operator", "correlationId": "c-1"
    }  # fmt: skip
    assert "tenant" not in str(answer)
    (entry,) = logs
    assert (entry["event"], entry["correlation_id"], entry["log_level"]) == ("graphql.internal_error", "c-1", "error")
    assert entry["exc_info"][0] is LookupError
    assert "the secret of another tenant" in str(entry["exc_info"][1])
    assert entry["exc_info"][2] is not None, "the traceback"


@pytest.mark.parametrize("fields", ["broken", "wrong", "broken wrong"])
async def test_a_fields_bug_leaves_its_siblings_when_it_may_be_null(world: World, fields: str) -> None:
    answer = await answered(engine_of(world), f'{{ byIds(ids: ["site_0"]) {{ id {fields} }} hello }}')
    assert answer["data"]["hello"] == "hello you"
    assert answer["data"]["byIds"] == ([None] if "wrong" in fields else [{"id": "site_0", "broken": None}])
    assert "secret" not in str(answer)
    assert "not a number" not in str(answer)


async def test_a_problem_is_told_in_its_own_words(world: World) -> None:
    answer = await answered(engine_of(world), "{ gone }")
    (error,) = answer["errors"]
    assert error["message"] == "revision 7 is no longer kept"
    assert error["extensions"] == {"code": "REVISION_GONE", "remedy": "read again", "oldest": 9}


@pytest.mark.parametrize(
    ("problem", "code", "retryable"),
    [
        (RevisionNotReached(asked=9, reached=7, epoch="e"), "REVISION_NOT_REACHED", True),
        (StoreAway(), "STORE_UNAVAILABLE", True),
        (StoreUnavailable("bolt://10.0.0.7 refused"), "STORE_UNAVAILABLE", True),
        (RequestProblem("X", "words", extensions={"code": "Y", "remedy": "Z"}), "X", None),
    ],
)
def test_problems_keep_their_code_and_say_whether_to_try_again(
    problem: Exception, code: str, retryable: bool | None
) -> None:
    (error,) = masked([located_error(problem, None, ["a"])], correlation_id="c", at_most=5)
    extensions = error["extensions"]
    assert isinstance(extensions, dict)
    assert (extensions["code"], extensions.get("retryable")) == (code, retryable)
    assert "10.0.0.7" not in str(error)


async def test_an_answer_holds_no_more_errors_than_allowed_and_all_its_nulls(world: World) -> None:
    world.add(100)
    answer = await answered(engine_of(world, max_errors=4), "{ sites(first: 100) { nodes { id broken } } }")
    assert len(answer["errors"]) == 4
    assert [site["broken"] for site in answer["data"]["sites"]["nodes"]] == [None] * 100


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($t: Tier!) { tier(of: $t) }", {}),
        ("query ($t: Tier!) { tier(of: $t) }", {"t": "NONE"}),
        ("query ($t: Tier!) { tier(of: $t) }", {"t": None}),
        ("query ($n: Int) { sites(first: $n) { totalCount } }", {"n": 2**40}),
        ("query ($n: Int) { sites(first: $n) { totalCount } }", {"n": {"a": [1]}}),
        ("mutation ($i: RenameInput!) { rename(input: $i) { __typename } }", {"i": {"id": "x", "nom": "y"}}),
    ],
)
async def test_variables_that_do_not_fit_are_the_callers_to_mend(
    world: World, query: str, variables: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as refused:
        await answered(engine_of(world), query, variables)
    assert refused.value.errors[0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "Did you mean" not in str(refused.value.errors)


async def test_a_null_variable_where_a_default_stood_is_the_callers_too(world: World) -> None:
    answer = await answered(engine_of(world), 'query ($n: String = "x") { hello(name: $n) }', {"n": None})
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_what_cannot_be_encoded_is_a_bug(logs: list[Any]) -> None:
    encoded = orjson.loads(encode({"data": {"x": {1, 2}}}, "c-9"))
    assert encoded["errors"][0]["extensions"]["correlationId"] == "c-9"
    assert "data" not in encoded
    assert len(logs) == 1


# --- limits and deadlines ---------------------------------------------------------------------------------------------


async def test_an_operation_beyond_the_cost_is_refused_before_it_is_executed(world: World) -> None:
    engine = engine_of(world, max_cost=100)
    query = "query ($n: Int!) { sites(first: $n) { nodes { id neighbours { id } } } }"
    with pytest.raises(Refused) as refused:
        engine.prepare(Parameters(query, None, {"n": 10}))
    extensions = refused.value.errors[0]["extensions"]
    assert isinstance(extensions, dict)
    assert {key: extensions[key] for key in ("code", "limit", "have", "allowed")} == {
        "code": "LIMIT_EXCEEDED", "limit": "cost", "have": 2 + 10 * (2 + 50), "allowed": 100
    }  # fmt: skip
    assert "errors" not in await answered(engine, query, {"n": 1})


async def test_an_awaited_operation_ends_at_its_deadline(world: World) -> None:
    with pytest.raises(Refused) as refused:
        await answered(engine_of(world, execution_s=0.05), "{ slow }")
    extensions = refused.value.errors[0]["extensions"]
    assert isinstance(extensions, dict)
    assert (extensions["code"], extensions["retryable"]) == ("EXECUTION_TIMEOUT", True)
    assert extensions["remedy"] == "ask for less at once"
    assert refused.value.status == 503


async def test_what_is_late_while_placement_is_compiled_is_to_be_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_compiling", True)
    with pytest.raises(Refused) as refused:
        await answered(engine_of(world, execution_s=0.05), "{ slow }")
    [error] = refused.value.errors
    extensions = error["extensions"]
    assert isinstance(extensions, dict)
    assert "is being compiled on this machine, once after installation" in str(error["message"])
    assert (extensions["remedy"], extensions["retryable"]) == ("try again in a minute", True)


@pytest.mark.parametrize("field", ["size", "label", "broken"])
def test_an_operation_that_computes_ends_within_a_thousand_fields_of_its_deadline(world: World, field: str) -> None:
    world.add(500)
    ticks = iter(range(10**9))
    read: list[int] = []
    engine: Engine[Person] = Engine(
        schema._schema,
        context_factory=lambda viewer, correlation: Context(world, viewer, correlation),
        limits=EndpointLimits(execution_s=5, max_cost=10**9),
        clock=lambda: read.append(1) or float(next(ticks)),  # type: ignore[func-returns-value]  # append counts the reading, `or` passes on
    )
    query = f"{{ sites(first: 500) {{ nodes {{ neighbours(first: 500) {{ {field} }} }} }} }}"
    prepared = engine.prepare(Parameters(query, None, {}))
    with pytest.raises(Refused) as refused:
        engine.run(prepared, ANN, "c")
    assert "EXECUTION_TIMEOUT" in str(refused.value.errors)
    assert len(read) < 12, "it looked at the clock and went on"


async def test_introspection_is_executed_once_and_answered_from_then_on(world: World) -> None:
    engine = engine_of(world)
    query = "query ($n: String!) { __type(name: $n) { name fields { name } } __schema { types { name } } __typename }"
    first = await answered(engine, query, {"n": "Site"})
    assert await answered(engine, query, {"n": "Site"}) == first
    assert (await answered(engine, query, {"n": "Nothing"}))["data"]["__type"] is None
    assert len(engine._introspected) == 2
    await answered(engine, "{ hello __typename }")
    assert len(engine._introspected) == 2


@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        ("abc-123", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a b", False),
        ("", False),
        ("a\nb", False),
        ("ä", False),
        (None, False),
    ],
)
def test_a_correlation_id_is_the_callers_when_it_is_short_and_safe(offered: str | None, kept: bool) -> None:
    given_ = correlation_id(offered)
    assert (given_ == offered) is kept
    assert 0 < len(given_) <= 64


async def test_a_subscription_whose_resolver_streams_by_itself_is_a_bug(world: World, logs: list[Any]) -> None:
    engine = engine_of(world)
    with pytest.raises(Refused) as refused:
        await engine.subscribe(engine.prepare(Parameters("subscription { ticks }", None, {})), ANN, "c")
    assert "INTERNAL" in str(refused.value.errors)
    assert len(logs) == 1


def test_a_live_query_is_not_iterated() -> None:
    with pytest.raises(TypeError, match="cannot be iterated"):
        aiter(LiveOperation(World(), "x"))
