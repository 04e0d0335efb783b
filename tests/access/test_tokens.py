import re

from hypothesis import given
from hypothesis import strategies as st

from access.tokens import find_token, is_token, new_token, token_hash
from graph.kinds import ApiToken
from graph.view import View


def test_tokens_have_their_form_and_are_all_different():
    made = {new_token() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch("ea_[0-9A-Za-z]{49}", one) and is_token(one) for one in made)


@given(st.integers(0, 51), st.sampled_from("abcXYZ019_ é"))
def test_a_mistyped_token_is_known_without_a_look_up(at, letter):
    token = new_token()
    mistyped = token[:at] + letter + token[at + 1 :]
    assert is_token(mistyped) == (mistyped == token)


@given(st.text())
def test_no_text_at_hand_is_a_token(text):
    assert not is_token(text)
    assert find_token(View(), text) is None


def test_a_token_is_found_by_its_hash_alone():
    text = new_token()
    kept = ApiToken(id="token_1", name="t", owner_id="user_1", token_hash=token_hash(text))
    view = View()
    view.load([kept, ApiToken(id="token_2", name="u", owner_id="user_1", token_hash=token_hash(new_token()))])
    view.loaded(revision=1, at=1, epoch="e", counters={})
    assert find_token(view, text) is kept
    assert find_token(view, new_token()) is None
    assert find_token(view, token_hash(text)) is None
    assert text not in repr(kept)
