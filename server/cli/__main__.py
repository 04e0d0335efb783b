"""`python -m server.cli` is `edgeatlas`."""

from server.cli import main

main()
