import pytest

from access.documentation import PAGE, written
from access.passwords import MAX_LENGTH, MEMORY_KIB, MIN_LENGTH, TIME_COST
from access.sealed_secrets import MAX_BYTES, MAX_KEYS
from access.sessions import IDLE_MS, LASTS_MS, RECHECKED_MS
from access.throttle import PAIR


def test_the_page_has_the_tables_that_the_code_has():
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run python -m access.documentation"


def test_a_page_without_a_place_for_the_tables_is_an_error():
    with pytest.raises(ValueError, match="no place"):
        written("# Access")


@pytest.mark.parametrize(
    "words",
    [
        f"{MIN_LENGTH} to {MAX_LENGTH:,} characters",
        f"({TIME_COST} passes, {MEMORY_KIB // 1024} MiB, one lane",
        f"ends {LASTS_MS // 3_600_000} hours after",
        f"after {IDLE_MS // 3_600_000} hours without use",
        f"up to {RECHECKED_MS // 1000} seconds",
        f"After {PAIR.tries} failures",
        f"every {PAIR.refill_s:.0f} seconds",
        f"at most {MAX_KEYS}, of {MAX_BYTES // 1024} KiB together",
    ],
)
def test_the_page_states_the_limits_that_the_code_has(words):
    assert words in " ".join(PAGE.read_text(encoding="utf-8").split())
