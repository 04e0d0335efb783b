"""`serve` and `worker`: the processes of an installation, with every setting as a flag."""

from __future__ import annotations

import os
from collections.abc import Callable

from server.cli.failures import Exit, Failure
from server.settings import Settings
from server.settings_flags import takes_settings
from server.settings_sources import misspelt_variables
from server.settings_values import SettingWrong

CLIENT_VARIABLES = {"EDGEATLAS_URL", "EDGEATLAS_TOKEN", "EDGEATLAS_CONTEXT"}


@takes_settings
def serve(*, settings: Settings) -> None:
    """Run the server, until it is told to stop. Every flag is also a variable, and a key of the settings file.

    Example: edgeatlas serve --demo --port 8800
    """
    from server.run import serve as run

    _run(settings, run)


@takes_settings
def worker(*, settings: Settings) -> None:
    """Work on the sites beside a server, as one of any number, until it is told to stop. The settings are the server's.

    It takes a graph in Neo4j and NATS with JetStream. SIGTERM gives its part of the work to the others.

    Example: edgeatlas worker --store bolt://neo4j@db:7687 --nats nats://broker:4222
    """
    from server.worker import work

    _run(settings, work)


def _run(settings: Settings, run: Callable[[Settings], None]) -> None:
    from access.key_file import KeyFileProblem
    from graph.refusal import Refusal
    from graph.store import StoreProblem
    from server.cli.output import say
    from server.start_checks import StartRefused
    from server.ui_build import UiBuildFailed

    for wrong, meant in misspelt_variables(os.environ).items():
        if wrong not in CLIENT_VARIABLES:
            say(f"the variable {wrong} is no setting; is {meant} meant?", style="yellow")
    # What the server writes (its store, its journals) is for whoever runs it.
    os.umask(0o077)
    say(f"EdgeAtlas is starting with {settings.store_target()}", style="dim")
    try:
        run(settings)
    except StartRefused as problem:
        raise Failure(problem.message, remedy=problem.remedy, code=Exit.USAGE) from None
    except Refusal as problem:
        raise Failure(problem.message, remedy=problem.remedy, code=Exit.UNAVAILABLE) from None
    except SettingWrong as problem:
        raise Failure(str(problem), code=Exit.USAGE) from None
    except StoreProblem as problem:
        raise Failure(
            f"{settings.store_target()} cannot be opened: {problem}",
            remedy="see `edgeatlas doctor`, and the setting `store`",
            code=Exit.UNAVAILABLE,
        ) from None
    except (KeyFileProblem, UiBuildFailed) as problem:
        raise Failure(str(problem), code=Exit.ERROR) from None
    except OSError as problem:
        raise Failure(f"the machine refused: {problem}", remedy="see `edgeatlas doctor`", code=Exit.ERROR) from None
