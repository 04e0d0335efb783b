"""Settings: one declaration, four ways in, and errors that a person can act on."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr
from typer.testing import CliRunner

from server.settings import SECTIONS, Settings, declarations
from server.settings_docs import markdown
from server.settings_flags import takes_settings
from server.settings_sources import load, misspelt_variables
from server.settings_store import parse_store
from server.settings_values import SettingWrong

HOME = {"HOME": "/home/someone"}


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_flags_win_over_variables_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = written(tmp_path, "[listen]\nport = 1\n[limits]\nmax_depth = 20\nmax_aliases = 7\n")
    environment = HOME | {"EDGEATLAS_PORT": "2", "EDGEATLAS_MAX_DEPTH": "21"}
    settings = load(flags={"port": 3, "max_depth": None}, environment=environment, file=file)
    assert (settings.port, settings.max_depth, settings.max_aliases, settings.max_tokens) == (3, 21, 7, 2000)


def test_every_setting_can_be_given_by_the_file_the_environment_and_a_flag(tmp_path: Path) -> None:
    given_values: dict[str, object] = {
        "port": 9, "store": "bolt://127.0.0.1", "tls_certificate": "/c.pem", "tls_key": "/k.pem", "demo": True,
        "allow_plain_http": True, "allowed_origins": ["https://a.example", "https://b.example"], "demo_rate": 2.5,
        "log_format": "json", "max_body_bytes": "1KiB", "data_dir": "~/data",
    }  # fmt: skip
    text = "".join(f"{name} = {_toml(value)}\n" for name, value in given_values.items())
    by_file = load(environment=HOME, file=written(tmp_path, text))
    words = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in given_values.items()}
    by_environment = load(environment=HOME | {f"EDGEATLAS_{name.upper()}": word for name, word in words.items()})
    by_flags = load(environment=HOME, flags=words)
    assert by_file == by_environment == by_flags
    assert by_file.allowed_origins == ("https://a.example", "https://b.example")
    assert (by_file.max_body_bytes, by_file.data_dir) == (1024, Path("/home/someone/data"))


def test_a_demonstration_keeps_less_of_the_past_unless_the_operator_has_said_how_much(tmp_path: Path) -> None:
    def kept(settings: Settings) -> tuple[float, ...]:
        return settings.log_retention_days, settings.event_retention_days, settings.operation_retention_days

    plain, demo = load(environment=HOME), load(environment=HOME, flags={"demo": True})
    assert kept(plain) == (7, 7, 30)
    assert kept(demo) == (pytest.approx(1 / 24, rel=0.01), 1, 1)
    assert demo.audit_retention_days == plain.audit_retention_days, "the audit may be of others than the demonstration"
    file = written(tmp_path, "[retention]\nlog_retention_days = 7.0\n")
    said = load(environment=HOME | {"EDGEATLAS_EVENT_RETENTION_DAYS": "3"}, flags={"demo": True}, file=file)
    assert kept(said) == (7, 3, 1)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (HOME, "/home/someone/.local/share/edgeatlas"),
        (HOME | {"XDG_DATA_HOME": "/data"}, "/data/edgeatlas"),
        (HOME | {"XDG_DATA_HOME": "not-absolute"}, "/home/someone/.local/share/edgeatlas"),
        (HOME | {"XDG_DATA_HOME": "/data", "EDGEATLAS_DATA_DIR": "~/own"}, "/home/someone/own"),
        (HOME | {"XDG_DATA_HOME": "/data", "EDGEATLAS_DATA_DIR": "/~/odd"}, "/~/odd"),
    ],
)
def test_folders_follow_the_xdg_specification(environment: dict[str, str], expected: str) -> None:
    assert load(environment=environment).data_dir == Path(expected)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"EDGEATLAS_PORT": "eighty"}, ["port (EDGEATLAS_PORT) is 'eighty'", "int", "The default is 8800"]),
        ({"EDGEATLAS_PORT": "70000"}, ["port (EDGEATLAS_PORT) is '70000'", "<= 65535"]),
        ({"EDGEATLAS_LOG_FORMAT": "xml"}, ["log_format (EDGEATLAS_LOG_FORMAT)", "'xml'", '"console"']),
        ({"EDGEATLAS_DEMO": "perhaps"}, ["demo (EDGEATLAS_DEMO) is 'perhaps'", "bool"]),
        ({"EDGEATLAS_MAX_BODY_BYTES": "12 parsecs"}, ["max_body_bytes (EDGEATLAS_MAX_BODY_BYTES)", "12 parsecs"]),
        ({"EDGEATLAS_EXECUTION_TIMEOUT_S": "nan"}, ["execution_timeout_s (EDGEATLAS_EXECUTION_TIMEOUT_S)"]),
        ({"EDGEATLAS_HEARTBEAT_S": "inf"}, ["heartbeat_s (EDGEATLAS_HEARTBEAT_S)"]),
        ({"EDGEATLAS_AUDIT_RETENTION_DAYS": "inf"}, ["audit_retention_days (EDGEATLAS_AUDIT_RETENTION_DAYS)"]),
        ({"EDGEATLAS_ALLOWED_ORIGINS": "*"}, ["allowed_origins (EDGEATLAS_ALLOWED_ORIGINS)", "never *"]),
        ({"EDGEATLAS_DATA_DIR": ""}, ["data_dir (EDGEATLAS_DATA_DIR)"]),
        ({"EDGEATLAS_HOST": "0.0.0.0"}, ["host (EDGEATLAS_HOST)", "without TLS", "allow_plain_http"]),
        ({"EDGEATLAS_TLS_KEY": "/k.pem"}, ["tls_certificate is missing", "both"]),
        ({"EDGEATLAS_KEY_FILE": "~/.local/share/edgeatlas/key"}, ["key_file (EDGEATLAS_KEY_FILE)", "data folder"]),
        ({"EDGEATLAS_STORE": "redis://x"}, ["store (EDGEATLAS_STORE)", "is none of sqlite:///"]),
        ({"EDGEATLAS_STORE": "bolt://"}, ["store (EDGEATLAS_STORE)", "names no host"]),
        ({"EDGEATLAS_STORE": "bolt://h:99999999"}, ["store (EDGEATLAS_STORE)", "port"]),
        ({"EDGEATLAS_STORE_PASSWORD_FILE": "/none/there"}, ["store_password_file", "/none/there", "No such file"]),
        ({"EDGEATLAS_MAX_DOCUMENTS_BYTES": "2048"}, ["max_documents_bytes (EDGEATLAS_MAX_DOCUMENTS_BYTES)", "262144"]),
        ({"EDGEATLAS_NATS": "nats://h"}, ["nats (EDGEATLAS_NATS)", "embedded store"]),
        (
            {"EDGEATLAS_NATS": "http://u:secret@h", "EDGEATLAS_STORE": "bolt://h"},
            ["nats (EDGEATLAS_NATS)", "is none of"],
        ),
        ({"EDGEATLAS_WORKERS_INSIDE": "false"}, ["workers_inside (EDGEATLAS_WORKERS_INSIDE)", "nobody would work"]),
        ({"EDGEATLAS_CONFIG": "/none/there"}, ["config", "/none/there", "cannot be read"]),
    ],
)
def test_a_wrong_value_names_the_setting_its_source_and_the_remedy(
    environment: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(SettingWrong) as wrong:
        load(environment=HOME | environment)
    assert all(word in str(wrong.value) for word in words), str(wrong.value)
    assert wrong.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", ["prot", "is no setting", "Did you mean port (table [listen])?"]),
        ("[listen]\nmax_depth = 4", ["listen.max_depth", "It belongs to the table [limits]."]),
        ("[network]\nport = 4", ["network", "is no setting"]),
        ("port = true", ["port", "is True", "int"]),
        ("port = 80.5", ["port", "80.5"]),
        ("demo = 'maybe'", ["demo", "maybe"]),
        ("port = [1]", ["port"]),
        ("port", ["is no TOML"]),
    ],
)
def test_a_wrong_file_names_the_file_the_key_and_the_remedy(tmp_path: Path, text: str, words: list[str]) -> None:
    file = written(tmp_path, text)
    with pytest.raises(SettingWrong) as wrong:
        load(environment=HOME, file=file)
    assert all(word in str(wrong.value) for word in [*words, str(file)]), str(wrong.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingWrong, match="not UTF-8"):
        load(environment=HOME, file=file)


@given(st.dictionaries(st.sampled_from([declared.variable for declared in declarations()]), st.text(), max_size=3))
def test_whatever_the_environment_holds_there_are_settings_or_a_typed_error(environment: dict[str, str]) -> None:
    with contextlib.suppress(SettingWrong):
        assert isinstance(load(environment=HOME | environment), Settings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", "sqlite:////data/graph.sqlite"),
        ("sqlite:///var/x.db", "sqlite:////var/x.db"),
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("sqlite:///var/a%20b.db", "sqlite:////var/a b.db"),
        ("bolt://127.0.0.1", "bolt://127.0.0.1:7687"),
        ("bolt://ann:topsecret@127.0.0.1:17687/", "bolt://127.0.0.1:17687"),
        ("neo4j+s://graph.example:7688", "neo4j+s://graph.example:7688"),
        ("bolt://[::1]:7", "bolt://[::1]:7"),
    ],
)
def test_a_store_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert str(parse_store(url, embedded=Path("/data/graph.sqlite"))) == shown


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "x", "bolt:/h", "bolt://h/db", "bolt://h?x=1", "bolt://:p@"]
)
def test_what_names_no_store_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"is none of|names no host|has something") as wrong:
        parse_store(url, embedded=Path("/data/graph.sqlite"))
    assert "://:p@" not in str(wrong.value)


@pytest.mark.parametrize("how", ["url", "variable", "file"])
def test_the_stores_password_is_found_wherever_it_is_given_and_never_shown(how: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("to/p:s@cret\n")
    environment = {
        "url": {"EDGEATLAS_STORE": "bolt://ann:to%2Fp%3As%40cret@127.0.0.1"},
        "variable": {"EDGEATLAS_STORE": "bolt://ann@127.0.0.1", "EDGEATLAS_STORE_PASSWORD": "to/p:s@cret"},
        "file": {
            "EDGEATLAS_STORE": "bolt://ann@127.0.0.1",
            "EDGEATLAS_STORE_PASSWORD_FILE": str(tmp_path / "password"),
        },
    }[how]
    settings = load(environment=HOME | environment)
    target = settings.store_target()
    assert (target.user, target.password) == ("ann", "to/p:s@cret")
    for shown in (repr(settings), str(settings.shown()), pretty_repr(settings), repr(target), pretty_repr(target)):
        assert "cret" not in shown
    assert not any(declared.flag for declared in declarations() if declared.secret)


def test_a_wrong_store_is_told_without_its_password() -> None:
    with pytest.raises(SettingWrong) as wrong:
        load(environment=HOME | {"EDGEATLAS_STORE": "bolt://ann:hidden@host:port"})
    assert "hidden" not in str(wrong.value)


def test_a_listener_for_others_needs_tls_or_the_word_for_plain_http() -> None:
    assert load(environment=HOME, flags={"host": "0.0.0.0", "allow_plain_http": True}).host == "0.0.0.0"
    assert load(environment=HOME, flags={"host": "::", "tls_certificate": "/c", "tls_key": "/k"}).tls_key == Path("/k")


def test_a_variable_that_is_nearly_a_setting_is_noticed() -> None:
    environment = {"EDGEATLAS_MAX_DEPT": "1", "EDGEATLAS_PORT": "1", "EDGEATLAS_TOKEN": "x", "PATH": "/"}
    assert misspelt_variables(environment) == {"EDGEATLAS_MAX_DEPT": "EDGEATLAS_MAX_DEPTH"}


def test_every_setting_has_a_section_and_a_sentence() -> None:
    for declared in declarations():
        assert declared.section in SECTIONS, declared.name
        assert declared.description.endswith("."), declared.name


def test_the_page_of_settings_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == markdown(), "run `make docs`"


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @takes_settings
    def serve(*, loud: bool = False, settings: Settings) -> None:
        """Serve."""
        typer.echo(f"{settings.port} {settings.demo} {settings.max_body_bytes} {loud}")

    return app


def test_a_command_has_a_flag_for_each_setting(command: typer.Typer, tmp_path: Path) -> None:
    config = written(tmp_path, "port = 81\nmax_body_bytes = 5000\n")
    arguments = ["--config", str(config), "--demo", "--max-body-bytes", "8KiB", "--loud"]
    done = CliRunner().invoke(command, arguments)
    assert done.output.strip() == "81 True 8192 True", done.output
    assert CliRunner().invoke(command, [], env={"EDGEATLAS_DEMO": "1"}).output.strip() == "8800 True 262144 False"
    assert CliRunner().invoke(command, ["--no-demo"], env={"EDGEATLAS_DEMO": "1"}).output.startswith("8800 False")
    shown = CliRunner().invoke(command, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert all(str(declared.flag) in shown for declared in declarations() if declared.flag)
    assert "--store-password " not in shown.replace("--store-password-file", "")


def test_a_wrong_flag_ends_a_command_with_the_remedy(command: typer.Typer) -> None:
    done = CliRunner().invoke(command, ["--port", "x"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "port (--port) is 'x'" in done.output


def test_passwords_of_nats_are_not_shown() -> None:
    settings = load(
        environment=HOME
        | {
            "EDGEATLAS_STORE": "bolt://h",
            "EDGEATLAS_NATS": "nats://u:secret@a,nats://v@b",
            "EDGEATLAS_NATS_PASSWORD": "hidden",
        }
    )
    assert settings.nats_servers() == ["nats://u:secret@a:4222", "nats://v:hidden@b:4222"]
    assert "secret" not in repr(settings)
    assert "hidden" not in repr(settings)
