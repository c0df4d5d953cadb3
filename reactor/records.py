"""`dataclass`, as of the standard library, whose methods are not written before they are needed.

The standard library writes and compiles up to six methods of each class when the class is made: of the two hundred
classes here that is a quarter of the time that `reactor` takes to start, and most of them are not used in a run. Here
`__init__` is compiled when the first instance is made, and the other methods are the same functions for all classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, eq: bool = True, kw_only: bool = False
    ) -> Callable[[type[T]], type[T]]:
        """What `dataclasses.dataclass` makes of a class; `fields`, `replace` and the others take it for that."""

        def made(cls: type[T]) -> type[T]:
            cls.__doc__ = cls.__doc__ or cls.__name__  # else the signature is found out for it
            cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
            own = vars(cls)
            methods = {"__init__": _first_init(cls, frozen), "__repr__": _repr}
            if eq:
                methods |= _comparison(cls, frozen)
            if frozen:
                methods |= {"__setattr__": _frozen, "__delattr__": _frozen}
                methods |= {"__getstate__": _state, "__setstate__": _set_state} if slots else {}
            for name, method in methods.items():
                if name not in own:
                    setattr(cls, name, method)
            return cls

        return made


def _first_init(cls: type[Any], frozen: bool) -> Callable[..., None]:
    """An `__init__` that has the real one written."""

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        write_init(cls)
        cls.__init__(self, *args, **kwargs)

    __init__.frozen = frozen  # type: ignore[attr-defined]
    return __init__


def write_init(cls: type[Any]) -> None:
    """Write the `__init__` of a class, if that is still to be done."""
    if (frozen := getattr(vars(cls)["__init__"], "frozen", None)) is not None:
        cls.__init__ = _written_init(cls, frozen)


def _written_init(cls: type[Any], frozen: bool) -> Callable[..., None]:
    """As the standard library writes it: an argument for each field, in their order; but for those with `init=False`,
    which are for `__post_init__` to set."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    arguments, named, lines = ["self"], list[str](), ["pass"]
    for number, each in enumerate(each for each in dataclasses.fields(cls) if each.init):
        name, default, value = each.name, f"_{number}", each.name
        taken = named if each.kw_only else arguments
        if each.default_factory is not dataclasses.MISSING:
            scope[default] = each.default_factory
            taken.append(f"{name}=_missing")
            value = f"{default}() if {name} is _missing else {name}"
        elif each.default is not dataclasses.MISSING:
            scope[default] = each.default
            taken.append(f"{name}={default}")
        else:
            taken.append(name)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    arguments += ["*", *named] if named else []
    exec(f"def __init__({', '.join(arguments)}):\n {'; '.join(lines)}", scope)
    init: Callable[..., None] = scope["__init__"]
    return init


def _comparison(cls: type[Any], frozen: bool) -> dict[str, Any]:
    names = [each.name for each in dataclasses.fields(cls) if each.compare]
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def __eq__(self: Any, other: object) -> bool:
        return bool(values(self) == values(other)) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


@recursive_repr("...")
def _repr(self: Any) -> str:
    fields = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(fields)})"


def _frozen(self: Any, name: str, *_: Any) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot change {name!r} of a {type(self).__name__}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
