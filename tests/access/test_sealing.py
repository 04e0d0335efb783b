import hashlib
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.key_file import KeyRing, _new_key
from access.sealing import Belongs, SealBroken, Sealer

OLD, NEW = _new_key(1), _new_key(2)
SEALER = Sealer(KeyRing(keys=[OLD]))
PLACE = Belongs(tenant_id="tenant_1", entity_id="secret_1", version=1)


@given(st.binary(max_size=2_000))
def test_what_is_sealed_opens_and_shows_nothing_before(value):
    sealed = SEALER.seal(value, PLACE)
    assert SEALER.open(sealed, PLACE) == value
    assert len(value) < 4 or value not in sealed
    assert SEALER.seal(value, PLACE) != sealed, "a key and nonces of its own each time"


@pytest.mark.parametrize(
    "elsewhere",
    [
        Belongs(tenant_id="tenant_2", entity_id="secret_1", version=1),
        Belongs(tenant_id=None, entity_id="secret_1", version=1),
        Belongs(tenant_id="tenant_1", entity_id="secret_2", version=1),
        Belongs(tenant_id="tenant_1", entity_id="secret_1", version=2),
        Belongs(tenant_id="tenant_1secret_", entity_id="1", version=1),
    ],
)
def test_an_envelope_opens_only_where_it_belongs(elsewhere):
    sealed = SEALER.seal(b"value", PLACE)
    with pytest.raises(SealBroken):
        SEALER.open(sealed, elsewhere)
    with pytest.raises(SealBroken):
        Sealer(KeyRing(keys=[OLD, NEW])).reseal(sealed, elsewhere)


def test_every_changed_bit_is_noticed():
    sealed = SEALER.seal(b"value", PLACE)
    for at, bit in itertools.product(range(len(sealed)), range(8)):
        changed = bytearray(sealed)
        changed[at] ^= 1 << bit
        with pytest.raises(SealBroken):
            SEALER.open(bytes(changed), PLACE)


@given(st.binary(max_size=300))
def test_no_bytes_at_hand_are_an_envelope(body):
    with pytest.raises(SealBroken):
        SEALER.open(body, PLACE)


def test_parts_of_two_envelopes_do_not_make_a_third():
    one = msgspec.msgpack.decode(SEALER.seal(b"one", PLACE))
    other = msgspec.msgpack.decode(SEALER.seal(b"other", PLACE))
    for cut in range(1, len(one)):
        mixed = msgspec.msgpack.encode(one[:cut] + other[cut:])
        if msgspec.msgpack.decode(mixed) in (one, other):
            continue
        with pytest.raises(SealBroken):
            SEALER.open(mixed, PLACE)


def test_a_newer_key_seals_and_the_older_still_opens_until_it_is_dropped():
    sealed = SEALER.seal(b"value", PLACE)
    both, new = Sealer(KeyRing(keys=[OLD, NEW])), Sealer(KeyRing(keys=[NEW]))
    assert both.open(sealed, PLACE) == b"value"
    assert not both.is_current(sealed)
    with pytest.raises(SealBroken) as missing:
        new.open(sealed, PLACE)
    assert missing.value.key_id == OLD.id
    again = both.reseal(sealed, PLACE)
    assert both.is_current(again)
    assert new.open(again, PLACE) == b"value"
    assert both.reseal(again, PLACE) == again
    with pytest.raises(SealBroken):
        SEALER.open(again, PLACE)


def test_neither_a_sealer_nor_a_key_shows_itself():
    for one in (SEALER, OLD, KeyRing(keys=[OLD])):
        assert OLD.key not in repr(one)
        assert OLD.key not in str(one)


def test_a_fingerprint_is_the_same_for_the_same_bytes_and_takes_the_key_to_make():
    again, other = Sealer(KeyRing(keys=[OLD, NEW])), Sealer(KeyRing(keys=[NEW]))
    assert SEALER.digest(b"a") == SEALER.digest(b"a") == again.digest(b"a")
    assert len({SEALER.digest(b"a"), SEALER.digest(b"b"), other.digest(b"a"), hashlib.sha256(b"a").hexdigest()}) == 4


def test_a_signature_is_of_this_installation_this_purpose_and_this_body():
    signature = SEALER.sign("upload", b"body")
    assert SEALER.has_signed("upload", b"body", signature)
    assert not SEALER.has_signed("download", b"body", signature)
    assert not SEALER.has_signed("upload", b"other", signature)
    assert not Sealer(KeyRing(keys=[NEW])).has_signed("upload", b"body", signature)
    for spoilt in ("", ".", signature[:-1], signature + "0", signature.upper(), f"x{signature}", "é"):
        assert not SEALER.has_signed("upload", b"body", spoilt)


def test_a_signature_holds_while_a_key_is_replaced():
    signature = SEALER.sign("upload", b"body")
    both = Sealer(KeyRing(keys=[OLD, NEW]))
    assert both.has_signed("upload", b"body", signature)
    assert not SEALER.has_signed("upload", b"body", both.sign("upload", b"body"))
