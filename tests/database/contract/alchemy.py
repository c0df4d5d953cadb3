"""A bot with SQLAlchemy: UUIDs for keys, an enum for the status, defaults of the server's, a version of each row."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import create_engine, delete, func, insert, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from reactor.database.mirror import Mirror, read_words


class State(enum.Enum):
    """Its names stand in the database."""

    QUEUED = 1
    RUNNING = 2
    DONE = 3
    FAILED = 4
    STOPPED = 5
    SENT = 6


class Base(DeclarativeBase):
    """Of its tables."""


class Job(Base):
    """One download."""

    __tablename__ = "jobs"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    link: Mapped[str]
    state: Mapped[State] = mapped_column(default=State.QUEUED)
    chat: Mapped[int | None]
    path: Mapped[str | None]
    note: Mapped[str | None]
    made: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Bot:
    """Each method is a transaction."""

    _words = "QUEUED=pending,RUNNING=downloading,DONE=downloaded,FAILED=failed,STOPPED=cancelled"
    mirror = Mirror("jobs", "link", ("state",), read_words([_words], 1), {"owner": "chat"}, {"file_path": "path"})

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        Base.metadata.create_all(self._engine)

    def close(self) -> None:
        """End."""
        self._engine.dispose()

    def add(self, *links: str) -> list[Any]:
        """Objects, flushed together."""
        with Session(self._engine) as session, session.begin():
            jobs = [Job(link=link, chat=7) for link in links]
            session.add_all(jobs)
            session.flush()
            assert all(job.made is not None for job in jobs), "defaults come by RETURNING"
            return [job.id for job in jobs]

    def add_many(self, links: Sequence[str]) -> list[Any]:
        """In bulk, by RETURNING."""
        with Session(self._engine) as session, session.begin():
            rows = [{"link": link, "version": 1} for link in links]
            found = session.scalars(insert(Job).returning(Job.id, sort_by_parameter_order=True), rows)
            return list(found)

    def abandon(self, link: str) -> None:
        """A row that is undone to a savepoint, beside one that is changed."""
        with Session(self._engine) as session, session.begin():
            inner = session.begin_nested()
            session.add(Job(link=link))
            session.flush()
            inner.rollback()

    def rows(self) -> dict[Any, tuple[str, str | None]]:
        """Word and path of each, by its key."""
        with Session(self._engine) as session:
            return {job.id: (job.state.name, job.path) for job in session.query(Job)}

    def load(self, key: Any) -> Any:
        """An object that stays as it was read."""
        with Session(self._engine, expire_on_commit=False) as session:
            return session.get_one(Job, key)

    def save(self, job: Any) -> None:
        """It, with a note."""
        job.note = "x"
        with Session(self._engine) as session, session.begin():
            session.add(job)

    def write(self, key: Any, word: str) -> None:
        """A status of one row."""
        with Session(self._engine) as session, session.begin():
            session.get_one(Job, key).state = State[word]

    def write_many(self, old: str, word: str) -> list[Any]:
        """A status of all that have another one."""
        with Session(self._engine) as session, session.begin():
            changed = update(Job).where(Job.state == State[old]).values(state=State[word]).returning(Job.id)
            return list(session.scalars(changed))

    def delete(self, key: Any) -> None:
        """One row."""
        with Session(self._engine) as session, session.begin():
            session.delete(session.get_one(Job, key))

    def delete_many(self, word: str) -> int:
        """All of a status."""
        with Session(self._engine) as session, session.begin():
            gone = session.scalars(delete(Job).where(Job.state == State[word]).returning(Job.id))
            return len(gone.all())
