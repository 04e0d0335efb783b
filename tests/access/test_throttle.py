import pytest

from access.throttle import ADDRESS, PAIR, Limit, Throttle, network_of, sign_in_keys


class Seconds:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


def test_so_many_tries_and_then_one_at_a_time(seconds):
    throttle = Throttle(clock_s=seconds)
    keys = [("a", Limit(3, 10.0))]
    assert [throttle.take(keys) for _ in range(3)] == [0, 0, 0]
    assert throttle.take(keys) == 10
    seconds.now = 4
    assert throttle.take(keys) == 6
    seconds.now = 10
    assert throttle.take(keys) == 0
    assert throttle.take(keys) == 10
    seconds.now = 1_000
    assert [throttle.take(keys) for _ in range(3)] == [0, 0, 0], "no more than the limit is saved up"
    assert throttle.take(keys) > 0


def test_a_success_does_not_count(seconds):
    throttle = Throttle(clock_s=seconds)
    keys = sign_in_keys("ann", "192.0.2.1")
    for _ in range(1_000):
        assert throttle.take(keys) == 0
        throttle.give_back(keys)


def test_a_refused_try_uses_nothing_up(seconds):
    throttle = Throttle(clock_s=seconds)
    tight, wide = ("tight", Limit(1, 10.0)), ("wide", Limit(2, 10.0))
    assert throttle.take([tight, wide]) == 0
    for _ in range(5):
        assert throttle.take([tight, wide]) > 0
    assert throttle.take([wide]) == 0


def test_one_address_cannot_lock_a_name_out_elsewhere(seconds):
    throttle = Throttle(clock_s=seconds)
    while not throttle.take(sign_in_keys("ann", "192.0.2.1")):
        pass
    assert throttle.take(sign_in_keys("ann", "192.0.2.2")) == 0
    assert throttle.take(sign_in_keys("ANN", "192.0.2.1")) > 0
    assert throttle.take(sign_in_keys("bob", "192.0.2.1")) == 0


def test_one_address_tries_only_so_many_names_and_one_name_is_tried_only_so_often(seconds):
    throttle = Throttle(clock_s=seconds)
    by_address = sum(not throttle.take(sign_in_keys(f"user {one}", "192.0.2.1")) for one in range(500))
    assert by_address == ADDRESS.tries
    by_name = sum(not throttle.take(sign_in_keys("ann", f"198.51.{one // 250}.{one % 250}")) for one in range(500))
    assert PAIR.tries < by_name < 200


def test_memory_is_bounded_whoever_tries(seconds):
    throttle = Throttle(clock_s=seconds, remembered=100)
    for one in range(10_000):
        throttle.take(sign_in_keys(f"name {one}" * 1_000, f"10.0.{one // 250}.{one % 250}"))
    assert len(throttle._used) == 100


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", "unknown"),
        ("x" * 1_000, "x" * 64),
    ],
)
def test_an_address_counts_with_its_network(address, expected):
    assert network_of(address) == expected
