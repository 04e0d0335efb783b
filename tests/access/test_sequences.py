from bisect import bisect_left, bisect_right

from hypothesis import given
from hypothesis import strategies as st

from access.sequences import Merged, Without, contains, in_both

ids = st.lists(st.integers(0, 400).map(lambda one: f"id_{one:04}"), unique=True).map(sorted)


@given(ids, st.data())
def test_without_is_the_list_but_what_is_hidden(base, data):
    hidden = sorted(data.draw(st.sets(st.sampled_from(base)))) if base else []
    cut = data.draw(st.integers(0, len(hidden)))
    seen = Without(base, [hidden[:cut], hidden[cut:]])
    expected = [one for one in base if one not in hidden]
    check_like(seen, expected)


@given(st.lists(ids, max_size=4))
def test_merged_is_all_lists_in_order(lists):
    parts = [[f"{one}_{number}" for one in part] for number, part in enumerate(lists)]
    check_like(Merged(parts), sorted(one for part in parts for one in part))


def test_few_hidden_among_many_are_found_one_by_one():
    base = [f"id_{one:06}" for one in range(10_000)]
    hidden = base[17::5000]
    seen = Without(base, [hidden])
    expected = [one for one in base if one not in hidden]
    assert [seen[at] for at in range(0, len(seen), 97)] == expected[::97]
    assert seen[-1] == expected[-1]


@given(ids, ids)
def test_in_both_is_what_two_lists_have_in_common(one, other):
    assert in_both(one, other) == sorted(set(one) & set(other))


def check_like(seen, expected):
    assert len(seen) == len(expected)
    assert list(seen) == expected
    assert [seen[at] for at in range(len(expected))] == expected
    assert list(reversed(seen)) == expected[::-1]
    assert seen[1:7:2] == expected[1:7:2]
    assert seen == expected
    for one in ["id_0000", "id_0007", "id_9999", *expected[:3]]:
        assert (one in seen) == (one in expected)
        assert contains(seen, one) == (one in expected)
        assert bisect_left(seen, one) == bisect_left(expected, one)
        assert bisect_right(seen, one) == bisect_right(expected, one)
