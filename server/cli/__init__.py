"""The command line: `edgeatlas`, a GraphQL client like any other, and the command that runs the server.

One module a group of commands; what they share is the client (api.py, live.py), the kinds as the server describes them
(kinds.py), finding entities by what a person types (lookup.py) and printing (output.py). Nothing of the server is
imported but by `serve`, so every other command starts quickly and works against a server anywhere.
"""


def main() -> None:
    """The entry point `edgeatlas`."""
    from server.cli.application import app

    app(prog_name="edgeatlas")


__all__ = ["main"]
