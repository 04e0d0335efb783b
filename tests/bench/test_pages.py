"""The figures of the pages' benchmark that are worked out and not read off."""

from bench.measures.pages import delays


def test_a_commit_is_visible_with_the_first_picture_of_its_revision_or_a_later_one() -> None:
    commits = [(5, 1_000.0), (6, 1_100.0), (7, 1_200.0)]
    visible = [(4, 1_010.0), (6, 1_150.0), (7, 1_230.0)]
    assert delays(commits, visible) == [150.0, 50.0, 30.0]


def test_what_became_visible_after_the_end_is_not_counted() -> None:
    assert delays([(5, 1_000.0), (6, 1_100.0)], [(5, 1_040.0)]) == [40.0]
    assert delays([(5, 1_000.0)], []) == []
