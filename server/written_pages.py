"""Pages of the documentation that a module writes from declarations: `python -m MODULE FILE`, as `make docs` does."""

from __future__ import annotations

import sys
from pathlib import Path


def write_page(text: str) -> None:
    """Writes a page to the file that is named on the command line, or to standard output."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
