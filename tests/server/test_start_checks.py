"""A start that cannot be is refused by the name of what is wrong, before it has made anything."""

from __future__ import annotations

import datetime
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from graph.refusal import Unavailable
from server.cli.failures import Exit
from server.first_start import check_listener
from server.start_checks import ListenerRefused, check_tls, listening_socket
from serverkit.commands import CommandLine


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    """A folder with a certificate and its key, another's key, a locked key, and what is no PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "atlas.example")])
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"x")
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    (folder / "key").write_bytes(key.private_bytes(pem, form, plain))
    (folder / "other").write_bytes(other.private_bytes(pem, form, plain))
    (folder / "locked").write_bytes(key.private_bytes(pem, form, locked))
    (folder / "garbage").write_bytes(b"\xff\x00 no PEM")
    (folder / "torn").write_bytes((folder / "certificate").read_bytes()[:200])
    return folder


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line whose `serve` leaves this process as it was."""
    root, mask = logging.getLogger(), os.umask(0o077)
    handlers, level = root.handlers[:], root.level
    yield CommandLine({"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data")})
    os.umask(mask)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


WRONG_TLS = [
    ("nowhere", "key", "tls_certificate: ", "nowhere cannot be read (No such file"),
    ("certificate", "nowhere", "tls_key: ", "nowhere cannot be read (No such file"),
    ("certificate", ".", "tls_key: ", "cannot be read (Is a directory"),
    ("garbage", "key", "tls_certificate: ", "garbage has not a certificate in PEM"),
    ("certificate", "garbage", "tls_key: ", "garbage has not a private key in PEM"),
    ("key", "certificate", "tls_certificate: ", "key has not a certificate in PEM"),
    ("certificate", "other", "tls_key: ", "other is not the key of the certificate"),
    ("certificate", "locked", "tls_key: ", "locked is locked by a passphrase"),
    ("torn", "key", "tls_certificate and tls_key: ", "torn"),
]


@pytest.mark.parametrize(("certificate", "key", "setting", "words"), WRONG_TLS)
def test_a_wrong_file_of_tls_is_told_with_its_setting_and_why(
    tls: Path, certificate: str, key: str, setting: str, words: str
) -> None:
    with pytest.raises(ListenerRefused) as refused:
        check_tls(tls / certificate, tls / key)
    assert refused.value.message.startswith(setting)
    assert words in refused.value.message


def test_the_files_of_tls_that_belong_together_are_taken_and_open_the_server_to_others(tls: Path) -> None:
    check_listener("0.0.0.0", tls_certificate=tls / "certificate", tls_key=tls / "key", allow_plain_http=False)


def told(starts: CommandLine, *flags: str, code: Exit) -> str:
    return " ".join(starts("serve", "--port", "0", "--ui", "off", *flags, code=int(code)).stderr.split())


def test_a_start_with_wrong_tls_makes_nothing(starts: CommandLine, tls: Path, tmp_path: Path) -> None:
    said = told(starts, "--tls-certificate", str(tls / "garbage"), "--tls-key", str(tls / "garbage"), code=Exit.USAGE)
    assert "tls_certificate: " in said
    assert "Traceback" not in said
    assert [one.name for one in tmp_path.iterdir()] == ["tls"]


@pytest.mark.parametrize(
    ("flags", "words", "code"),
    [
        (["--data-dir", "FILE"], "the data folder FILE cannot be used (it is no folder)", Exit.USAGE),
        (["--data-dir", "FILE/data"], "the data folder FILE/data cannot be used (Not a directory)", Exit.USAGE),
        (["--data-dir", "/proc/nothing"], "the data folder /proc/nothing cannot be used (No such file", Exit.USAGE),
        (["--key-file", "FILE/key"], "the key file FILE/key cannot be made (", Exit.ERROR),
        (["--host", "nowhere.invalid", "--allow-plain-http"], "no address goes by that name", Exit.USAGE),
        (["--host", "192.0.2.1", "--allow-plain-http"], "give an address that this machine has", Exit.USAGE),
    ],
)
def test_what_cannot_be_had_is_told_by_its_own_name(
    starts: CommandLine, tmp_path: Path, flags: list[str], words: str, code: Exit
) -> None:
    file = tmp_path / "file"
    file.touch()
    said = told(starts, *(flag.replace("FILE", str(file)) for flag in flags), code=code)
    assert words.replace("FILE", str(file)) in said
    assert "Traceback" not in said
    assert ("cannot listen" in said) == ("--host" in flags)


def test_a_port_that_is_taken_is_told(free_port_taken: int) -> None:
    with pytest.raises(ListenerRefused, match=f"127.0.0.1:{free_port_taken}.*stop what uses the port"):
        listening_socket("127.0.0.1", free_port_taken)


@pytest.fixture
def free_port_taken() -> Iterator[int]:
    """A port that something listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(("free", "warns"), [(20 << 20, True), (20 << 30, False)])
def test_a_start_warns_when_the_data_folder_has_little_room(
    starts: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, warns: bool
) -> None:
    usage: Callable[[object], object] = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=free))  # type: ignore[attr-defined]  # a named tuple
    (tmp_path / "file").touch()
    said = told(starts, "--key-file", str(tmp_path / "file" / "key"), code=Exit.ERROR)
    assert ("has 20 MiB free" in said) == warns


def test_a_store_that_takes_nothing_at_the_start_is_told_as_one_thing(
    starts: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*given: object, **options: object) -> str:
        raise Unavailable("the store is away: the disk is full", remedy="make room")

    monkeypatch.setattr("server.run.first_link", full)
    said = told(starts, code=Exit.UNAVAILABLE)
    assert "error: the store is away: the disk is full remedy: make room" in said
