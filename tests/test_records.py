"""Records are dataclasses: what the standard library makes of the same class is what they are measured by."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import field
from typing import Any

import pytest

from reactor import notices
from reactor.core import commands, events, job
from reactor.records import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2
    names: list[str] = field(default_factory=list, compare=False)
    hidden: str = field(default="secret", repr=False)


@dataclass(slots=True)
class Place:
    at: Point
    of: Place | None = None


@dataclass(frozen=True)
class Derived:
    number: int
    twice: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "twice", 2 * self.number)


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


@dataclass(eq=False, slots=True)
class Itself:
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Base:
    number: int
    kind: str = "base"


@dataclass(frozen=True, kw_only=True)
class Named(Base):
    name: str
    kind: str = "named"


def theirs(record: type[Any], *, frozen: bool) -> type[Any]:
    """The class once more, by the standard library."""
    fields = [(each.name, each.type, copy.copy(each)) for each in dataclasses.fields(record)]
    return dataclasses.make_dataclass(record.__qualname__, fields, frozen=frozen)


def test_they_are_equal_and_hashed_by_their_fields() -> None:
    assert Point(1) == Point(1, 2, ["a"])
    assert hash(Point(1)) == hash(Point(1, 2, ["a"]))
    assert Point(1) != Point(1, 3)
    others: list[object] = [(1, 2, "secret"), Nothing()]
    assert Point(1) not in others
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing()}) == 1
    assert Itself() != Itself()
    with pytest.raises(TypeError, match="unhashable"):
        hash(Place(Point(1)))


def test_they_are_shown_as_the_standard_library_shows_them() -> None:
    assert repr(Point(1)) == repr(theirs(Point, frozen=True)(1))
    around = Place(Point(1))
    around.of = around
    assert repr(around) == "Place(at=Point(x=1, y=2, names=[]), of=...)"


def test_what_is_frozen_stays_as_it_is() -> None:
    point, name = Point(1), "x"
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x' of a Point"):
        setattr(point, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x' of a Point"):
        delattr(point, name)
    place = Place(Point(1))
    place.at = Point(2)
    assert place == Place(Point(2))


def test_each_has_defaults_of_its_own() -> None:
    first, second = Point(1), Point(1)
    first.names.append("a")
    assert (first.names, second.names) == (["a"], [])
    assert Derived(4).twice == 8


def test_they_are_copied_and_replaced() -> None:
    point = Point(1, names=["a"])
    assert dataclasses.replace(point, y=5) == Point(1, 5)
    assert dataclasses.asdict(point) == {"x": 1, "y": 2, "names": ["a"], "hidden": "secret"}
    for copied in (copy.copy(point), copy.deepcopy(point), pickle.loads(pickle.dumps(point))):
        assert (copied, copied.names) == (point, ["a"])
    match point:
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_fields_by_name_only_have_defaults_in_any_order() -> None:
    for _ in range(2):
        assert Named(name="a", number=1) == Named(number=1, name="a", kind="named")
        with pytest.raises(TypeError):
            Named(1, name="a")  # type: ignore[call-arg]


@pytest.mark.parametrize("wrong", [(), (1, 2, [], "", 5)])
def test_wrong_arguments_are_refused(wrong: tuple[Any, ...]) -> None:
    for _ in range(2):  # by the first `__init__` and by the one it has written
        with pytest.raises(TypeError):
            Point(*wrong)


@pytest.mark.parametrize("module", [commands, events, job, notices])
def test_arguments_and_defaults_are_those_of_the_standard_library(module: Any) -> None:
    own = (each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__)
    records = [each for each in own if inspect.isclass(each) and dataclasses.is_dataclass(each)]
    assert records
    for record in (Point, Place, Named, *records):
        with pytest.raises(TypeError):
            record(no_such_field=1)  # has it written
        ours, wanted = inspect.signature(record), inspect.signature(theirs(record, frozen=False))
        assert [(each.name, each.kind) for each in ours.parameters.values()] == [
            (each.name, each.kind) for each in wanted.parameters.values()
        ]
