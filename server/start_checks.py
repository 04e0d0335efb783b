"""What is looked at before a start opens anything: each thing that an operator sets up wrong is refused by its own name.

A start that failed halfway would have made a store and a key file by then, and what a library says of a wrong file (that
OpenSSL has trouble with a "PEM lib") names neither the setting nor the file.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import ssl
from pathlib import Path

LITTLE_ROOM_BYTES = 64 * 1024 * 1024
"""With less than this free the store will soon take no changes."""


class StartRefused(Exception):
    """The server cannot start like that; the text says why and what to set."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message}: {remedy}")
        self.message = message
        self.remedy = remedy


class ListenerRefused(StartRefused):
    """The server must not, or cannot, listen like that."""


class DataFolderRefused(StartRefused):
    """The data folder cannot be used."""


def check_tls(certificate: Path, key: Path) -> None:
    """Loads the certificate's chain and its key, as the server will. Raises ListenerRefused. Blocking."""
    _check_pem("tls_certificate", certificate, "CERTIFICATE-----", "a certificate")
    _check_pem("tls_key", key, "PRIVATE KEY-----", "a private key")

    def no_passphrase() -> str:
        raise ListenerRefused(
            f"tls_key: {key} is locked by a passphrase, and nobody is there to type it",
            remedy="give a key without one, in a file that this user alone may read (`openssl pkey` writes it)",
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_passphrase)
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            raise ListenerRefused(
                f"tls_key: {key} is not the key of the certificate {certificate}",
                remedy="give the two files that were made together; the server's own certificate comes first in its chain",
            ) from None
        raise ListenerRefused(
            f"tls_certificate and tls_key: {certificate} and {key} cannot be used ({problem.reason or problem})",
            remedy="look at both with `openssl x509 -in FILE -text` and `openssl pkey -in FILE -check`",
        ) from None


def _check_pem(setting: str, path: Path, mark: str, what: str) -> None:
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ListenerRefused(
            f"{setting}: {path} cannot be read ({problem.strerror})", remedy="name a file that the server may read"
        ) from None
    if mark.encode() not in text:
        raise ListenerRefused(f"{setting}: {path} has not {what} in PEM", remedy=f"name the PEM file with {what}")


def make_data_folder(path: Path) -> int:
    """Makes the data folder, for its owner alone; says how many bytes are free in it. Raises DataFolderRefused. Blocking."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "this user may not write in it")
        return shutil.disk_usage(path).free
    except OSError as problem:
        why = "it is no folder" if isinstance(problem, FileExistsError) else problem.strerror
        raise DataFolderRefused(
            f"the data folder {path} cannot be used ({why})",
            remedy="name a folder that this user may make and write in: --data-dir",
        ) from None


def listening_socket(host: str, port: int) -> socket.socket:
    """The socket to serve on, taken before anything of the graph is opened. Raises ListenerRefused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, port))
        except BaseException:
            found.close()
            raise
    except OSError as problem:
        raise ListenerRefused(
            f"cannot listen on {host}:{port} ({problem.strerror or problem})", remedy=_remedy_of(problem)
        ) from None
    found.set_inheritable(True)
    return found


def _remedy_of(problem: OSError) -> str:
    if isinstance(problem, socket.gaierror):
        return "no address goes by that name: give one of this machine with --host"
    if problem.errno == errno.EADDRINUSE:
        return "stop what uses the port, or choose another with --port (0 takes a free one)"
    if problem.errno in (errno.EACCES, errno.EPERM):
        return "this user may not take that port: choose one from 1024 up with --port"
    return "give an address that this machine has with --host"
