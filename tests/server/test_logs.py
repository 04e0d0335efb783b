"""Logs: one form for all, a correlation id on what belongs together, and no secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from server.logs import HIDDEN, bind_request, configure, correlation_id, redact, redact_text

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(restored: None) -> Lines:
    stream = io.StringIO()
    configure(format="json", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_those_of_libraries_have_one_form(lines: Lines) -> None:
    structlog.get_logger("ours").info("started", port=8800, name="Žilina")
    logging.getLogger("theirs").warning("connection to %s lost", "bolt://ann:hidden@host", extra={"password": "x"})
    ours, theirs = lines()
    assert {ours["event"], ours["level"], ours["logger"], ours["port"], ours["name"]} == {
        "started", "info", "ours", 8800, "Žilina",
    }  # fmt: skip
    assert theirs["event"] == f"connection to bolt://ann:{HIDDEN}@host lost"
    assert (theirs["level"], theirs["logger"], theirs["password"]) == ("warning", "theirs", HIDDEN)
    assert ours["timestamp"].endswith("Z")


def test_a_message_is_not_repeated_in_colours(lines: Lines) -> None:
    logging.getLogger("theirs").warning("up", extra={"color_message": "\x1b[1mup\x1b[0m", "pid": 7})
    (line,) = lines()
    assert (line["event"], line["pid"], "color_message" in line) == ("up", 7, False)


def test_an_exception_is_one_line_without_what_is_secret_in_it(lines: Lines) -> None:
    try:
        raise ValueError("cannot reach neo4j://ann:hidden@host")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert "hidden" not in json.dumps(line)


def test_an_exception_on_the_console_is_shown_without_what_is_secret_in_it(restored: None) -> None:
    stream = io.StringIO()
    configure(stream=stream)
    try:
        raise ValueError("cannot reach neo4j://ann:hidden@host")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    assert "ValueError: cannot reach neo4j://ann:***@host" in stream.getvalue()
    assert "hidden" not in stream.getvalue()


def test_less_than_the_level_is_not_logged(restored: None) -> None:
    stream = io.StringIO()
    configure(level="warning", stream=stream)
    structlog.get_logger("ours").info("quiet")
    logging.getLogger("theirs").info("quiet")
    structlog.get_logger("ours").warning("loud", token="t0ps3cret", url="https://h/?token=t0ps3cret")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    assert "t0ps3cret" not in stream.getvalue()


async def test_each_task_has_its_own_correlation_id(lines: Lines) -> None:
    async def answer(name: str) -> None:
        with bind_request(correlation_id=name):
            await asyncio.sleep(0)
            structlog.get_logger("ours").info("answered", expected=name)
            logging.getLogger("theirs").warning("answered", extra={"expected": name})
            assert correlation_id() == name

    await asyncio.gather(*(answer(f"request-{number}") for number in range(10)))
    assert all(line["correlation_id"] == line["expected"] for line in lines())
    assert len(lines()) == 20
    assert correlation_id() is None


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("password", "x", HIDDEN),
        ("store_password", "x", HIDDEN),
        ("Authorization", "Bearer abc", HIDDEN),
        ("set-cookie", "a=b", HIDDEN),
        ("api_token", "x", HIDDEN),
        ("secret", {"value": "x"}, HIDDEN),
        ("private_key", b"x", HIDDEN),
        ("tokens", 17, 17),
        ("max_tokens", 2000, 2000),
        ("token_id", "tok_01J", "tok_01J"),
        ("secret_name", "pull", "pull"),
        ("headers", {"Cookie": "a", "Accept": "b"}, {"Cookie": HIDDEN, "Accept": "b"}),
        ("rows", [{"password": "a"}, ("b", {"token": "c"})], [{"password": HIDDEN}, ["b", {"token": HIDDEN}]]),
        ("key", "deployment/shop", "deployment/shop"),
        ("url", "https://host/sign-in?code=abc&next=/x", f"https://host/sign-in?code={HIDDEN}&next=/x"),
        ("url", "https://host/#token=abc", f"https://host/#token={HIDDEN}"),
        ("url", "bolt://ann:p@ss:w@host:7687/x", f"bolt://ann:{HIDDEN}@host:7687/x"),
        ("url", "https://host/path?name=value", "https://host/path?name=value"),
        ("header", "Authorization: bearer abcdef123", f"Authorization: bearer {HIDDEN}"),
        ("event", "revision=5 key=site", "revision=5 key=site"),
        ("event", "retry with store_password=abc now", f"retry with store_password={HIDDEN} now"),
        ("event", "GET /x?a=1&key=abc&b=2", f"GET /x?a=1&key={HIDDEN}&b=2"),
        ("password", "", ""),
        ("password", None, None),
    ],
)
def test_what_names_or_looks_like_a_secret_is_hidden(key: str, value: object, expected: object) -> None:
    assert redact(None, "info", {key: value}) == {key: expected}


def test_a_value_that_nests_without_end_is_cut() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert HIDDEN in str(redact(None, "info", {"value": endless}))


@given(st.text(alphabet="ab/:@?&=#. ", max_size=60))
def test_redaction_of_any_text_ends_and_is_stable(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@pytest.mark.parametrize(("level", "told"), [("debug", ["a", "b"]), ("info", ["a", "b"]), ("error", ["b"])])
def test_of_the_web_server_only_warnings_and_errors_are_told(restored: None, level: Any, told: list[str]) -> None:
    served, stream = logging.getLogger("uvicorn.error"), io.StringIO()
    served.setLevel(logging.NOTSET)
    configure(format="json", level=level, stream=stream)
    served.info('"WebSocket /graphql" [accepted]')
    served.warning("a")
    served.error("b")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == told
