"""The tables of docs/access.md, written from the code: a table that is kept by hand is wrong by the second change.

`python -m access.documentation` writes them into the page; a test fails when the page says something else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from access.permissions import KIND_ACCESS, ROLE_PERMISSIONS, SHARED, Permission
from access.viewer import role_word
from graph.entity import KINDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "access.md"
_NOTES = {
    "Tenant": "Seen with any role in it.",
    "User": "Oneself always; others by a role in a tenant whose people one reads.",
    "ServiceAccount": "Itself always.",
    "RoleBinding": "One's own always.",
    "ApiToken": "One's own always; those of a tenant's service accounts with the permission.",
    "Cluster": "Credentials and configuration only with WRITE_INFRASTRUCTURE.",
    "Event": "Seen with what it happened to.",
    "Secret": "Values never.",
}


def role_table() -> str:
    """Which role has which permission."""
    head = "| Permission | " + " | ".join(role_word(role) for role in ROLE_PERMISSIONS) + " | What it allows |"
    rule = "|---|" + ":-:|" * len(ROLE_PERMISSIONS) + "---|"
    rows = [
        f"| `{permission.name}` | "
        + " | ".join("yes" if permission in mine else "" for mine in ROLE_PERMISSIONS.values())
        + f" | {permission.value} |"
        for permission in Permission
    ]
    return "\n".join([head, rule, *rows])


def kind_table() -> str:
    """What reading and writing each kind takes."""
    head = "| Kind | Read | Change | Create, delete | Of no tenant: read | Of no tenant: write | |"
    rows = []
    for name in KINDS:
        access = KIND_ACCESS[name]
        owned = "tenant_id" in KINDS[name].fields or name in ("Tenant", "User")
        unowned = not owned or name == "User" or (name != "Tenant" and KINDS[name].fields["tenant_id"].optional)
        where = " anywhere" if access.unowned_read in SHARED else " in all tenants"
        rows.append(
            f"| {name} | `{access.read.name}` | `{access.write.name}` | `{access.make.name}` | "
            + (
                f"`{access.unowned_read.name}`{where} | `{access.unowned_write.name}` in all tenants"
                if unowned
                else "| "
            )
            + f" | {_NOTES.get(name, '')} |"
        )
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def written(page: str) -> str:
    """The page with its tables as the code has them. Raises ValueError when a table's marks are missing."""
    for name, table in (("roles", role_table()), ("kinds", kind_table())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, found, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise ValueError(f"the page has no place for the table {name}")
        page = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return page


def main() -> int:
    """Writes the tables into the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
