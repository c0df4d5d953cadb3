"""What the rows of an owner ask for unless they say otherwise: one line of `reactor_defaults` for each owner who says
something. Rows without an owner have that of ''."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from reactor.database import contract
from reactor.database.sql.connection import Connection, has_table
from reactor.options import OPTIONS_BYTES_MAX
from reactor.row_options import said_in

OF_OWNERS = f"""SELECT owner, substr(options, 1, {OPTIONS_BYTES_MAX + 1}) FROM reactor_defaults
    WHERE owner IN (SELECT value FROM json_each(?, '$'))"""
"""As far as they are read; one character more says that they are too long."""


PUT = """INSERT INTO reactor_defaults (owner, options) VALUES (?, ?)
    ON CONFLICT (owner) DO UPDATE SET options = excluded.options"""


def of_owners(connection: Connection, owners: Collection[str]) -> dict[str, str]:
    """What stands there for these, as it was written; '' is nobody."""
    found = connection.execute(OF_OWNERS, (json.dumps([*owners]),)).fetchall()
    return {contract.text(owner) or "": text for owner, stored in found if (text := contract.text(stored))}


def get(connection: Connection, owner: str | int | None) -> dict[str, Any]:
    """What the rows of an owner ask for; `{}` where there is nothing, or what nobody can read."""
    if not has_table(connection, "reactor_defaults"):
        return {}
    key = contract.account(owner)
    return said_in(of_owners(connection, [key]).get(key))


def put(connection: Connection, owner: str | int | None, options: str | None) -> None:
    """Keep it, in place of what was said before; None: nothing."""
    key = contract.account(owner)
    if options is None:
        connection.execute("DELETE FROM reactor_defaults WHERE owner = ?", (key,))
    else:
        connection.execute(PUT, (key, options))
