"""PostgreSQL's errors as DatabaseError, with a sentence for a person."""

from __future__ import annotations

import psycopg
from psycopg import errors as postgres

from reactor.database.contract import BUSY, FULL, GONE
from reactor.database.sql.errors import Refused
from reactor.errors import DatabaseError
from reactor.patterns import pattern

REFUSED = psycopg.IntegrityError, psycopg.DataError, postgres.RaiseException, postgres.TriggeredActionException
"""A constraint, a trigger or a type of the bot's table does not let a value in."""
AGAIN = postgres.SerializationFailure, postgres.DeadlockDetected
"""The transaction was undone in favour of another one: the same once more."""
CHANGED = (
    postgres.UndefinedColumn,
    postgres.UndefinedTable,
    postgres.DatatypeMismatch,
    postgres.UndefinedFunction,
    postgres.FeatureNotSupported,
)
"""The table may be another one than it was when it was looked at, and "cached plan must not change result type"."""
NO_DATABASE = pattern(r"database \".*\" does not exist")
NOT_LET_IN = pattern(r"authentication failed|no pg_hba\.conf entry|role \".*\" does not exist|no password supplied")
UNPREPARED = postgres.InvalidSqlStatementName, postgres.DuplicatePreparedStatement
"""The statement was prepared in another session: a pooler gives them away."""
KEY = pattern(r"Key \((?P<columns>.*?)\)=")


def refused(error: psycopg.Error) -> Refused:
    """What is said against a value, without the value: it may be a stranger's, and long."""
    what = error.diag.message_primary or str(error)
    if found := KEY.match(error.diag.message_detail or ""):
        what += " (" + ", ".join(f"downloads.{name.strip()}" for name in found["columns"].split(",")) + ")"
    return Refused(what)


def translate(error: psycopg.Error, shown: str) -> DatabaseError:
    """`retryable` when the same may succeed later without anybody changing a thing here."""
    said = (error.diag.message_primary or str(error).partition("\n")[0]).strip().rstrip(".")
    if error.sqlstate is None and NO_DATABASE.search(str(error)):  # libpq tells no code of what is said to it at first
        error = postgres.InvalidCatalogName(str(error))
    elif error.sqlstate is None and NOT_LET_IN.search(str(error)):
        error = postgres.InvalidPassword(str(error))
    match error:
        case postgres.LockNotAvailable() | postgres.QueryCanceled() | postgres.DeadlockDetected():
            return DatabaseError(f"The database {shown} is locked by another program.", code=BUSY, retryable=True)
        case postgres.DiskFull():
            return DatabaseError(f"The disk of the database {shown} is full.", code=FULL, retryable=True)
        case postgres.InvalidCatalogName():
            return DatabaseError(f"There is no database {shown}.", code=GONE, hint="Make it: `createdb` and its name.")
        case postgres.UndefinedTable():
            return DatabaseError(f"The database {shown} lacks a table: {said}.", code=GONE, retryable=True)
        case postgres.InvalidPassword() | postgres.InvalidAuthorizationSpecification():
            return DatabaseError(f"The server of the database {shown} does not let this user in: {said}.")
        case postgres.InsufficientPrivilege():
            hint = "Give this user the right to read and write `downloads`, and to create tables."
            return DatabaseError(f"The database {shown} does not permit it: {said}.", hint=hint)
        case postgres.ReadOnlySqlTransaction():
            return DatabaseError(f"The database {shown} is read-only at the time: {said}.", retryable=True)
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return DatabaseError(f"The database {shown} cannot be reached: {said}.", retryable=True)
        case _:
            return DatabaseError(f"The database {shown} refused: {said}.")
