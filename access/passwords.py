"""Passwords: what is accepted as one, and how it is kept and compared.

A password is kept as an argon2id hash (RFC 9106) beside the log, never in it. A comparison takes 50-150 ms of a core and
64 MiB on purpose; so comparisons run in threads, two at a time, with a bounded queue behind them, and the same work is done
for a name that does not exist: otherwise the time of an answer would tell which names do.

Rules for new passwords follow NIST SP 800-63B: length counts, composition does not, and what is commonly chosen is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import unicodedata
from collections.abc import AsyncIterator

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from graph.refusal import InvalidInput, Unavailable

MIN_LENGTH = 12
MAX_LENGTH = 1024
"""Characters after normalisation; beyond it a password costs memory and buys nothing."""

TIME_COST = 3
MEMORY_KIB = 64 * 1024
PARALLELISM = 1
"""RFC 9106, section 4, second recommended option (t=3, 64 MiB), with one lane, for a comparison has one thread."""

AT_ONCE = 2
WAITING = 32
"""Comparisons under way and waiting; more are refused as retryable."""

_COMMON = """
aaaa abc abcd abcdef access admin administrator asdf asdfgh asdfghjkl atlas autumn azerty azertyuiop baseball
batman changeme charlie computer correcthorsebatterystaple default donald dragon edge edgeatlas football freedom
guest hello iloveyou internet kubernetes kubernetesadmin letmein login lovely master michael monkey mustang
mypassword newpassword ninja nopassword notapassword openstack operator pass passphrase passw0rd password
passwordpassword passwort pokemon princess private qazwsx qazwsxedc qwer qwerty qwertyuiop qwertz qwertzuiop
root sample secret security server shadow spring starwars summer sunshine superman supersecret superuser system
temp temporary test tester testing thepassword topsecret trustno trustnoone user verysecret welcome whatever
winter yxcvbnm zaqwsx zxcvbn zxcvbnm
"""
COMMON = frozenset(_COMMON.split())
"""Words that a password consists of when it is commonly chosen; digits and signs around them and repeats do not help."""

COMMON_WORDS = 2
"""A password of so many common words and nothing else is refused; one of more is a phrase."""

_SEQUENCES = ("0123456789" * 4, "9876543210" * 4, "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")
_LEET = str.maketrans("0134578@$!", "oleastbasi")


def password_problem(password: str, *, names: tuple[str, ...] = ()) -> str | None:
    """Why a text cannot be a password, or None when it can; `names` are the user's own, which must not make it up."""
    text = normalised(password)
    if len(text) < MIN_LENGTH:
        return f"a password has at least {MIN_LENGTH} characters"
    if len(text) > MAX_LENGTH:
        return f"a password has at most {MAX_LENGTH} characters"
    folded = text.casefold()
    if len(set(folded)) < 4:
        return "a password has at least four different characters"
    if any(folded in sequence or folded in sequence[::-1] for sequence in _SEQUENCES):
        return "a password is no plain sequence of keys"
    forbidden = COMMON | {name.casefold() for name in names if len(name) >= 3}
    if _repeats(folded, 4):
        return "a password is no repetition of a few characters"
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)
    for letters in (core, core.translate(_LEET)):
        words = set(re.findall(r"[^\W\d_]+", letters))
        if 0 < len(words) <= COMMON_WORDS and all(_made_of(word, forbidden) for word in words):
            return "this password is among those that are commonly chosen"
    return None


def check_password(password: str, *, names: tuple[str, ...] = (), path: str = "input.password") -> None:
    """Raises InvalidInput when a text cannot be a password."""
    problem = password_problem(password, names=names)
    if problem is not None:
        raise InvalidInput(problem, remedy="choose a longer phrase that nobody else would", path=path)


def normalised(password: str) -> str:
    """The same characters however they were typed: NFKC (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Hashes and compares passwords in threads, with one set of parameters."""

    def __init__(
        self,
        *,
        time_cost: int = TIME_COST,
        memory_kib: int = MEMORY_KIB,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=PARALLELISM, type=Type.ID, encoding="utf-8"
        )
        self._slots = asyncio.Semaphore(at_once)
        self._room = at_once + waiting
        self._inside = 0
        self._decoy = self._hasher.hash("no password hashes to what nobody has")

    async def hash(self, password: str) -> bytes:
        """The argon2id hash of a password as a PHC string, with a salt of its own.

        Raises InvalidInput when it is too long to be one, Unavailable when too many wait.
        """
        text = normalised(password)
        if len(text) > MAX_LENGTH:
            raise InvalidInput(f"a password has at most {MAX_LENGTH} characters", path="input.password")
        async with self._slot():
            return (await asyncio.to_thread(self._hasher.hash, text)).encode()

    async def matches(self, password: str, kept: bytes | None) -> bool:
        """Whether a password is the one whose hash was kept. Without a kept hash the same work ends in False.

        Raises Unavailable when too many comparisons wait.
        """
        text = normalised(password[: MAX_LENGTH * 4])
        hashed = self._decoy if kept is None else kept.decode()
        async with self._slot():
            same = await asyncio.to_thread(self._verify, hashed, text[: MAX_LENGTH + 1])
        return same and kept is not None and len(text) <= MAX_LENGTH

    def outdated(self, kept: bytes) -> bool:
        """Whether a kept hash was made with other parameters, so that it is to be made anew at the next sign-in."""
        return self._hasher.check_needs_rehash(kept.decode())

    def _verify(self, hashed: str, text: str) -> bool:
        try:
            return self._hasher.verify(hashed, text)
        except (VerificationError, InvalidHashError):
            return False

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._inside >= self._room:
            raise Unavailable("too many are signing in at once", remedy="try again in a few seconds")
        self._inside += 1
        try:
            async with self._slots:
                yield
        finally:
            self._inside -= 1


def password_key(user_id: str) -> str:
    """Under what a user's password hash is kept."""
    return f"password:{user_id}"


def _made_of(word: str, forbidden: frozenset[str] | set[str]) -> bool:
    """Whether a word is one of the forbidden ones, once or repeated."""
    return word in forbidden or any(
        len(word) % len(one) == 0 and one * (len(word) // len(one)) == word for one in forbidden
    )


def _repeats(text: str, longest: int) -> bool:
    return any((text[:size] * len(text))[: len(text)] == text for size in range(1, longest + 1))
