"""A bot with peewee: whole numbers for keys and statuses, and objects that are saved whole."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from reactor.database.mirror import Mirror, read_words

peewee: Any = import_module("peewee")
"""It has no types."""
NUMBERS = {"QUEUED": 0, "RUNNING": 1, "DONE": 2, "FAILED": 9, "STOPPED": 5, "SENT": 6}
WORDS = {number: word for word, number in NUMBERS.items()}


class Job(peewee.Model):  # type: ignore[misc]
    """One download."""

    id = peewee.AutoField()
    link = peewee.TextField()
    state = peewee.SmallIntegerField(default=0)
    chat = peewee.BigIntegerField(null=True)
    path = peewee.TextField(null=True)
    note = peewee.TextField(null=True)

    class Meta:
        """Where it is."""

        table_name = "jobs"


class Bot:
    """Each method is a transaction."""

    _words = "0=pending,1=downloading,2=downloaded,9=failed,5=cancelled"
    mirror = Mirror("jobs", "link", ("state",), read_words([_words], 1), {"owner": "chat"}, {"file_path": "path"})

    def __init__(self, place: str) -> None:
        server = place.startswith("postgresql://")
        self._database: Any = peewee.PostgresqlDatabase(place) if server else peewee.SqliteDatabase(place)
        Job.bind(self._database)
        self._database.create_tables([Job])

    def close(self) -> None:
        """End."""
        self._database.close()

    def add(self, *links: str) -> list[Any]:
        """Objects, one after the other."""
        with self._database.atomic():
            return [Job.create(link=link, chat=7).id for link in links]

    def add_many(self, links: Sequence[str]) -> list[Any]:
        """In bulk, by RETURNING."""
        rows = Job.insert_many([{"link": link} for link in links]).returning(Job.id)
        return [row[0] for row in rows.tuples().execute()]

    def abandon(self, link: str) -> None:
        """A row that is undone to a savepoint."""
        with self._database.atomic(), self._database.savepoint() as inner:
            Job.create(link=link)
            inner.rollback()

    def rows(self) -> dict[Any, tuple[str, str | None]]:
        """Word and path of each, by its key."""
        return {job.id: (WORDS[job.state], job.path) for job in Job.select()}

    def load(self, key: Any) -> Any:
        """An object that stays as it was read."""
        return Job.get_by_id(key)

    def save(self, job: Any) -> None:
        """It, whole, with a note."""
        job.note = "x"
        assert job.save() == 1

    def write(self, key: Any, word: str) -> None:
        """A status of one row."""
        job = Job.get_by_id(key)
        job.state = NUMBERS[word]
        assert job.save(only=[Job.state]) == 1

    def write_many(self, old: str, word: str) -> list[Any]:
        """A status of all that have another one."""
        changed = Job.update(state=NUMBERS[word]).where(Job.state == NUMBERS[old]).returning(Job.id)
        return [row[0] for row in changed.tuples().execute()]

    def delete(self, key: Any) -> None:
        """One row."""
        assert Job.get_by_id(key).delete_instance() == 1

    def delete_many(self, word: str) -> int:
        """All of a status."""
        return int(Job.delete().where(Job.state == NUMBERS[word]).execute())

    def upsert(self, key: Any, link: str) -> None:
        """A row that waits, whether it was there or not."""
        row = Job.insert(id=key, link=link, state=0)
        row.on_conflict(conflict_target=[Job.id], preserve=[Job.link, Job.state]).execute()

    def migrate(self) -> None:
        """The columns are others now; on SQLite it copies the table for that."""
        migrate: Any = import_module("playhouse.migrate")
        kind = migrate.SqliteMigrator if "Sqlite" in type(self._database).__name__ else migrate.PostgresqlMigrator
        changes: Any = kind(self._database)
        with self._database.atomic():
            migrate.migrate(
                changes.add_column("jobs", "extra", peewee.IntegerField(null=True)),
                changes.rename_column("jobs", "note", "remark"),
                changes.drop_not_null("jobs", "link"),
            )
