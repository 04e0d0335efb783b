import os
import threading
from pathlib import Path

import pytest

from access.key_file import KeyFileProblem, add_key, drop_old_keys, load_key_file, main


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "key"


def test_the_first_start_makes_a_key_that_only_its_owner_reads(path, data_dir):
    ring = load_key_file(path, data_dir=data_dir)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert load_key_file(path, data_dir=data_dir) == ring
    assert [one.name for one in path.parent.iterdir()] == ["key"], "nothing is left beside it"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o601])
def test_a_key_file_that_others_can_use_is_refused(path, data_dir, mode):
    load_key_file(path, data_dir=data_dir)
    path.chmod(mode)
    with pytest.raises(KeyFileProblem, match="chmod 600"):
        load_key_file(path, data_dir=data_dir)


@pytest.mark.parametrize("inside", ["key", "deep/er/key", "../data/key"])
def test_a_key_file_in_the_data_folder_is_refused(data_dir, inside):
    with pytest.raises(KeyFileProblem, match="data folder"):
        load_key_file(data_dir / inside, data_dir=data_dir)
    assert list(data_dir.iterdir()) == []


def test_a_link_into_the_data_folder_is_seen_through(path, data_dir):
    path.parent.mkdir()
    path.symlink_to(data_dir / "key")
    with pytest.raises(KeyFileProblem, match="data folder"):
        load_key_file(path, data_dir=data_dir)


def test_neither_a_link_nor_a_folder_is_a_key_file(path, data_dir, tmp_path):
    real = tmp_path / "real"
    load_key_file(real, data_dir=data_dir)
    path.parent.mkdir()
    path.symlink_to(real)
    with pytest.raises(KeyFileProblem):
        load_key_file(path, data_dir=data_dir)
    path.unlink()
    path.mkdir()
    with pytest.raises(KeyFileProblem):
        load_key_file(path, data_dir=data_dir)


def test_a_key_file_that_cannot_be_made_is_told_by_its_path(tmp_path, data_dir):
    (tmp_path / "file").touch()
    (tmp_path / "round").symlink_to("round")
    for path in (tmp_path / "file" / "key", tmp_path / "round" / "key"):
        with pytest.raises(KeyFileProblem, match=f"{path} cannot be made.*--key-file"):
            load_key_file(path, data_dir=data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="changing a file's owner takes root")
def test_a_key_file_of_another_user_is_refused(path, data_dir):
    load_key_file(path, data_dir=data_dir)
    os.chown(path, 12345, 12345)
    with pytest.raises(KeyFileProblem, match="another user"):
        load_key_file(path, data_dir=data_dir)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "hunter2-canary",
        "{}",
        '{"keys": []}',
        '{"keys": [{"id": "a", "key": "aHVudGVyMi1jYW5hcnk=", "created_at": 1}]}',
        '{"keys": [{"id": "a", "key": "no base64 hunter2-canary", "created_at": 1}]}',
        '{"keys": "hunter2-canary"}',
    ],
)
def test_a_file_without_keys_is_refused_and_never_quoted_nor_overwritten(path, data_dir, content):
    path.parent.mkdir()
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileProblem) as refused:
        load_key_file(path, data_dir=data_dir)
    assert "hunter2" not in str(refused.value)
    assert path.read_text() == content


def test_a_missing_file_is_not_made_anew_where_keys_must_exist(path, data_dir):
    with pytest.raises(KeyFileProblem, match="restore"):
        load_key_file(path, data_dir=data_dir, create=False)
    with pytest.raises(KeyFileProblem):
        add_key(path, data_dir=data_dir)


def test_keys_are_added_at_the_end_and_dropped_from_the_front(path, data_dir):
    first = load_key_file(path, data_dir=data_dir)
    both = add_key(path, data_dir=data_dir)
    assert both.keys[0] == first.current
    assert both.current != first.current
    assert load_key_file(path, data_dir=data_dir) == both
    assert path.stat().st_mode & 0o777 == 0o600
    assert drop_old_keys(path, data_dir=data_dir).keys == [both.current]
    assert load_key_file(path, data_dir=data_dir).keys == [both.current]


def test_of_several_first_starts_at_once_all_have_the_same_key(path, data_dir):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(load_key_file(Path(path), data_dir=data_dir))) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8
    assert all(one == found[0] for one in found)


def test_the_key_is_replaced_from_the_command_line(path, data_dir, capsys):
    arguments = [str(path), "--data-dir", str(data_dir)]
    assert main(["add", *arguments]) == 1
    assert "restore" in capsys.readouterr().err
    first = load_key_file(path, data_dir=data_dir)
    assert main(["add", *arguments]) == 0
    assert "2 keys" in capsys.readouterr().out
    assert main(["drop-old", *arguments]) == 0
    assert load_key_file(path, data_dir=data_dir).current != first.current
    assert main(["drop-old", *arguments]) == 0
    assert next(one.name for one in sorted(path.parent.iterdir())) == "key"
