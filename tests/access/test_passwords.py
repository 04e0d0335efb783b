import asyncio
import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters

from access.passwords import MAX_LENGTH, MEMORY_KIB, TIME_COST, Passwords, check_password, password_problem
from graph.refusal import InvalidInput, Unavailable

GOOD = "a tall copper lighthouse"


def quick(**more):
    return Passwords(time_cost=1, memory_kib=64, **more)


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "winter dragon monkey copper",
        "Tr0mbone-ladder-93",
        "пароль из четырёх слов",
        "kqz7vbnw2mtx",
        "x" * 400 + "yzab",
        "ann" + GOOD,
    ],
)
def test_long_and_uncommon_passwords_are_taken(password):
    assert password_problem(password, names=("ann",)) is None


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("short pass1", "at least 12"),
        ("x" * (MAX_LENGTH + 1), "at most"),
        ("aaaaaaaaaaaaaaaa", "different"),
        ("abababababababab", "different"),
        ("123456789012", "sequence"),
        ("abcdefghijklm", "sequence"),
        ("abcdabcdabcdabcd", "repetition"),
        ("password1234", "commonly"),
        ("P4ssw0rd!!!!", "commonly"),
        ("Password-Password-2026", "commonly"),
        ("edgeatlas2026", "commonly"),
        ("admin-admin-admin", "commonly"),
        ("summer winter 2026", "commonly"),
        ("annabel-stone-1", "commonly"),
    ],
)
def test_short_and_common_passwords_are_refused_with_the_reason(password, word):
    problem = password_problem(password, names=("annabel", "stone"))
    assert problem is not None
    assert word in problem
    with pytest.raises(InvalidInput) as refused:
        check_password(password, names=("annabel", "stone"), path="input.password")
    assert refused.value.path == "input.password"
    assert password not in str(refused.value)


async def test_a_password_matches_its_own_hash_only_and_is_kept_as_argon2id():
    passwords = quick()
    kept = await passwords.hash(GOOD)
    assert kept.startswith(b"$argon2id$")
    assert GOOD.encode() not in kept
    assert await passwords.hash(GOOD) != kept, "each hash has a salt of its own"
    assert await passwords.matches(GOOD, kept)
    assert not await passwords.matches(GOOD + " ", kept)
    assert not await passwords.matches("", kept)
    assert not await passwords.matches(GOOD, b"$argon2id$broken")


async def test_the_same_characters_typed_otherwise_are_the_same_password():
    passwords = quick()
    kept = await passwords.hash(unicodedata.normalize("NFC", "crème brûlée à la carte"))
    assert await passwords.matches(unicodedata.normalize("NFD", "crème brûlée à la carte"), kept)


async def test_the_parameters_are_those_that_are_stated():
    parameters = extract_parameters((await Passwords().hash(GOOD)).decode())
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (TIME_COST, MEMORY_KIB, 1)


async def test_a_hash_with_other_parameters_is_outdated():
    kept = await quick().hash(GOOD)
    assert not quick().outdated(kept)
    assert Passwords().outdated(kept)


async def test_a_name_without_a_password_costs_the_same_work(monkeypatch):
    """The time itself is not measured: what is asserted is that the very same hash function ran."""
    verified = []
    verify = PasswordHasher.verify

    def counted(self, hashed, password):
        verified.append(extract_parameters(hashed if isinstance(hashed, str) else hashed.decode()))
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    passwords = quick()
    kept = await passwords.hash(GOOD)
    assert not await passwords.matches("some wrong password", kept)
    assert not await passwords.matches("some wrong password", None)
    assert not await passwords.matches("no password hashes to what nobody has", None), "the decoy opens nothing"
    assert len(verified) == 3
    assert len({str(one) for one in verified}) == 1


async def test_what_is_longer_than_any_password_never_matches():
    passwords = quick()
    longest = "ab" * (MAX_LENGTH // 2)
    kept = await passwords.hash(longest)
    assert await passwords.matches(longest, kept)
    assert not await passwords.matches(longest + "c", kept)
    assert not await passwords.matches(longest * 1_000, kept)
    with pytest.raises(InvalidInput):
        await passwords.hash(longest + "c")


async def test_more_than_may_wait_are_refused_at_once():
    passwords = quick(at_once=1, waiting=2)
    answers = await asyncio.gather(*(passwords.matches(GOOD, None) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in answers) == 7
    assert answers.count(False) == 3
    assert await passwords.matches(GOOD, None) is False, "the room is free again"
