"""Sealing: what is secret is encrypted before it leaves memory, and opens only where it belongs.

Envelope encryption with AES-256-GCM (NIST SP 800-38D): every value has a data key of its own, which is itself encrypted
under a key of the key file. So replacing a key re-encrypts 32 bytes a secret, never the values, and no key encrypts so much
that its random nonces could meet. To both encryptions is bound (as additional data) which tenant, entity and version the
value is of: an envelope that is copied to another secret, tenant or version does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from access.key_file import KeyRing

_FORMAT = 1
_NONCE_BYTES = 12


class SealBroken(Exception):
    """An envelope does not open: it was changed, belongs elsewhere, or its key is not in the key file.

    Holds nothing of the value. `key_id` names the key that is missing, when that is why.
    """

    def __init__(self, message: str, *, key_id: str | None = None) -> None:
        super().__init__(message)
        self.key_id = key_id


class Belongs(msgspec.Struct, frozen=True, kw_only=True):
    """What a sealed value is of; it opens for exactly this."""

    tenant_id: str | None
    entity_id: str
    version: int

    def bound(self, purpose: bytes, key_id: str) -> bytes:
        """The additional data; as JSON, so that no two different values have the same bytes."""
        return msgspec.json.encode(
            ["edgeatlas", _FORMAT, purpose.decode(), key_id, self.tenant_id, self.entity_id, self.version]
        )


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    format: int
    key_id: str
    key_nonce: bytes
    sealed_key: bytes
    nonce: bytes
    sealed: bytes


class Sealer:
    """Seals with the current key of a key ring and opens with any of its keys."""

    def __init__(self, ring: KeyRing) -> None:
        self._keys = {key.id: AESGCM(key.raw()) for key in ring.keys}
        self._current = ring.current.id
        self._raw = {key.id: key.raw() for key in ring.keys}
        self._digest_key = hashlib.sha256(b"edgeatlas digest " + ring.keys[0].raw()).digest()

    def digest(self, body: bytes) -> str:
        """A fingerprint of something that may hold a secret, to be kept and compared with another's later.

        Under the oldest key of the key file: a plain hash of an input with a password in it could be guessed at, and far
        faster than the password's own. It changes when the old keys are dropped.
        """
        return hmac.new(self._digest_key, body, hashlib.sha256).hexdigest()

    def sign(self, purpose: str, body: bytes) -> str:
        """A signature that only this installation makes (HMAC-SHA-256 under the current key): `KEY.DIGITS`.

        One that is made for a purpose is none for another.
        """
        return f"{self._current}.{self._mac(self._current, purpose, body)}"

    def has_signed(self, purpose: str, body: bytes, signature: str) -> bool:
        """Whether a signature was made here for a purpose and body, under any key of the key file."""
        key_id, _, digits = signature.partition(".")
        return key_id in self._raw and hmac.compare_digest(self._mac(key_id, purpose, body).encode(), digits.encode())

    def _mac(self, key_id: str, purpose: str, body: bytes) -> str:
        key = hmac.new(self._raw[key_id], f"edgeatlas sign {purpose}".encode(), hashlib.sha256).digest()
        return hmac.new(key, body, hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        """Without keys."""
        return f"Sealer(current={self._current!r}, keys={len(self._keys)})"

    @property
    def replacing(self) -> bool:
        """Whether the key file holds older keys besides, under which something may still be sealed."""
        return len(self._keys) > 1

    def seal(self, value: bytes, belongs: Belongs) -> bytes:
        """The value in an envelope that opens for `belongs` only."""
        data_key = AESGCM.generate_key(256)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(data_key).encrypt(nonce, value, belongs.bound(b"value", ""))
        return self._enveloped(data_key, nonce, sealed, belongs)

    def open(self, envelope: bytes, belongs: Belongs) -> bytes:
        """The value of an envelope. Raises SealBroken."""
        parsed = _parsed(envelope)
        data_key = self._data_key(parsed, belongs)
        try:
            return AESGCM(data_key).decrypt(parsed.nonce, parsed.sealed, belongs.bound(b"value", ""))
        except (InvalidTag, ValueError):
            raise SealBroken("a sealed value was changed, or belongs elsewhere") from None

    def is_current(self, envelope: bytes) -> bool:
        """Whether an envelope is sealed under the current key. Raises SealBroken when it is none."""
        return _parsed(envelope).key_id == self._current

    def reseal(self, envelope: bytes, belongs: Belongs) -> bytes:
        """The same value under the current key; the value itself is neither decrypted nor changed. Raises SealBroken."""
        parsed = _parsed(envelope)
        if parsed.key_id == self._current:
            return envelope
        return self._enveloped(self._data_key(parsed, belongs), parsed.nonce, parsed.sealed, belongs)

    def _enveloped(self, data_key: bytes, nonce: bytes, sealed: bytes, belongs: Belongs) -> bytes:
        key_nonce = os.urandom(_NONCE_BYTES)
        sealed_key = self._keys[self._current].encrypt(key_nonce, data_key, belongs.bound(b"key", self._current))
        return msgspec.msgpack.encode(_Envelope(_FORMAT, self._current, key_nonce, sealed_key, nonce, sealed))

    def _data_key(self, parsed: _Envelope, belongs: Belongs) -> bytes:
        key = self._keys.get(parsed.key_id)
        if key is None:
            raise SealBroken(f"the key file has no key {parsed.key_id}", key_id=parsed.key_id)
        try:
            return key.decrypt(parsed.key_nonce, parsed.sealed_key, belongs.bound(b"key", parsed.key_id))
        except (InvalidTag, ValueError):
            raise SealBroken("a sealed value was changed, or belongs elsewhere") from None


def sealed_under(envelope: bytes) -> str:
    """The id of the key that an envelope needs. Raises SealBroken."""
    return _parsed(envelope).key_id


def _parsed(envelope: bytes) -> _Envelope:
    try:
        parsed = msgspec.msgpack.decode(envelope, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SealBroken("what was kept is no envelope") from None
    if parsed.format != _FORMAT:
        raise SealBroken(f"an envelope of format {parsed.format} was made by a newer version")
    return parsed
