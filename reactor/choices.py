"""What a row asks before it fetches: the column `choices`, a JSON object that a bot turns into buttons, and the answer.

Each entry has a code (`c`), short enough for a button, and a `pick`: what the row's options say from then on if it is
chosen. So an answer is a change of the options and nothing else, and a bot may make it by SQL alone.

All texts in it are a stranger's: they are cut, and of each kind at most ENTRIES_MAX are told.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from reactor.options import Options, bad_options, patched
from reactor.patterns import pattern

__all__ = [
    "ENTRIES_MAX",
    "NO_CHOICES",
    "Choices",
    "FileChoice",
    "FormatChoice",
    "HelpChoice",
    "ItemChoice",
    "SubtitleChoice",
    "answered",
    "asks",
    "read_choices",
]

ENTRIES_MAX = 50
"""Of each kind."""
CHOICES_BYTES_MAX = 512 * 1024
"""Of the column, as it is read."""
TITLE_MAX = 300
PATH_MAX = 500
KEY_MAX = 200
URL_MAX = 2000
CODES_MAX = 4 * ENTRIES_MAX
BYTES_MAX = 2**63 - 1

STRICT = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)


def _cut(most: int) -> BeforeValidator:
    """Text as it can be stored, and not more of it."""

    def cut(value: object) -> object:
        return value.encode("utf-8", "replace").decode("utf-8")[:most] if isinstance(value, str) else value

    return BeforeValidator(cut)


Code = Annotated[str, StringConstraints(pattern=r"^[a-z][1-9][0-9]{0,3}$")]
Title = Annotated[str, _cut(TITLE_MAX)]
Bytes = Annotated[int, Field(ge=0, le=BYTES_MAX)]
Length = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class _Choice(BaseModel):
    model_config = STRICT

    c: Code
    """By which it is chosen."""
    pick: dict[str, Any]
    """What the options say then."""


class FormatChoice(_Choice):
    """A quality of a film (`f1`, `f2`, …, the best first), or its sound alone (`a1`, …)."""

    label: Title
    height: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Lines of the picture, by its smaller side."""
    bytes: Bytes | None = None
    exact: bool = False
    """False where the size is reckoned from the bit rate."""


class SubtitleChoice(_Choice):
    """Subtitles in one language (`s1`, …)."""

    language: Title
    auto: bool = False
    """True for those that a program has made."""


class ItemChoice(_Choice):
    """An entry of a list (`i1`, …)."""

    n: Annotated[int, Field(ge=1)]
    """Its place now."""
    key: Annotated[str, StringConstraints(max_length=KEY_MAX)]
    """What it is, however its place changes."""
    title: Title | None = None
    duration_s: Length | None = None


class FileChoice(_Choice):
    """A file of a torrent (`t1`, …)."""

    n: Annotated[int, Field(ge=1)]
    """Its number in the torrent."""
    path: Annotated[str, _cut(PATH_MAX)]
    bytes: Bytes


class HelpChoice(_Choice):
    """What would help a row that has failed (`h1`, …)."""

    label: Title


Choice = FormatChoice | SubtitleChoice | ItemChoice | FileChoice | HelpChoice


class Choices(BaseModel):
    """What there is to choose from."""

    model_config = STRICT

    v: Literal[1] = 1
    title: Title | None = None
    duration_s: Length | None = None
    thumbnail: Annotated[str, StringConstraints(max_length=URL_MAX)] | None = None
    """The URL of a picture."""
    formats: Annotated[tuple[FormatChoice, ...], Field(max_length=ENTRIES_MAX)] = ()
    subtitles: Annotated[tuple[SubtitleChoice, ...], Field(max_length=ENTRIES_MAX)] = ()
    items: Annotated[tuple[ItemChoice, ...], Field(max_length=ENTRIES_MAX)] = ()
    items_total: Annotated[int, Field(ge=0)] | None = None
    """How many entries the list has; more than are told here, perhaps."""
    files: Annotated[tuple[FileChoice, ...], Field(max_length=ENTRIES_MAX)] = ()
    files_total: Annotated[int, Field(ge=0)] | None = None
    help: Annotated[tuple[HelpChoice, ...], Field(max_length=ENTRIES_MAX)] = ()
    """Of a row that has failed."""
    unanswered: Literal["default", "fail"] = "default"
    """What becomes of the row when nobody answers."""

    @property
    def all(self) -> Iterator[Choice]:
        """Each of them, in the order in which they are shown."""
        yield from self.formats
        yield from self.subtitles
        yield from self.items
        yield from self.files
        yield from self.help

    def stored(self) -> str:
        """As it stands in the column."""
        return self.model_dump_json(exclude_none=True)


NO_CHOICES = Choices.model_construct()


def asks(options: Options, found: Choices) -> bool:
    """True if the row wants to be asked about what was found, and that leaves a choice. Of what is only looked into
    (`want: info`) all is told."""
    if options.ask == "never":
        return False
    if options.want == "info":
        return True
    kinds: Mapping[str, tuple[object, ...]] = {"formats": found.formats, "files": found.files, "items": found.items}
    return any(len(each) > 1 for kind, each in kinds.items() if options.ask in (kind, "all"))


SMALLER = (720, 480, 240)
"""Lines that a film which was too large may be had in."""


def smaller(options: Options, *, film: bool, torrent: bool) -> Choices | None:
    """What would help a row that was too large; None for nothing."""
    picks: list[tuple[str, dict[str, Any]]] = []
    if film and options.want in ("auto", "video") and options.quality != "worst" and options.format is None:
        most = options.quality if isinstance(options.quality, int) else SMALLER[0] + 1
        picks += [(f"{lines}p", {"quality": lines}) for lines in SMALLER if lines < most]
    if film and options.want in ("auto", "video"):
        picks.append(("sound", {"want": "audio"}))
    if torrent and options.files is None:
        picks.append(("the largest file alone", {"files": "largest"}))
    help = tuple(HelpChoice(c=f"h{at}", label=label, pick=pick) for at, (label, pick) in enumerate(picks, 1))
    return Choices(help=help) if help else None


JAR = pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def with_cookies(jars: Sequence[str], host: str) -> Choices | None:
    """What would help a row that lacks cookies for a host: one of these jars of its owner; or one that has yet to be
    set. None for nothing."""
    help = [
        HelpChoice(c=f"h{n}", label=f"the cookies `{name}`", pick={"cookies": name}) for n, name in enumerate(jars, 1)
    ]
    if not help and JAR.fullmatch(host):
        label = f"cookies of {host}, added as `{host}`"
        help.append(HelpChoice(c="h1", label=label, pick={"cookies": host}))
    return Choices(help=tuple(help[:ENTRIES_MAX])) if help else None


def read_choices(text: str | None) -> Choices | None:
    """What the column says; None where that cannot be understood."""
    if not text or len(text) > CHOICES_BYTES_MAX:
        return None
    try:
        return Choices.model_validate_json(text)
    except ValidationError:
        return None


def answered(said: Mapping[str, Any], choices: Choices, codes: Sequence[str]) -> dict[str, Any]:
    """What a row's options say once these are chosen; none: the default is taken. Several files, entries or subtitles
    come together, of the formats one is taken.

    Raises DownloadError (`bad_options`) for a code that is not there."""
    known = {each.c: each for each in choices.all}
    wanted = list(dict.fromkeys(codes))
    if len(wanted) > CODES_MAX:
        raise bad_options(f"At most {CODES_MAX} choices can be made.")
    for code in wanted:
        if code not in known:
            raise bad_options(f"There is no choice `{str(code)[:20]}`; there are: {_listed(known)}.")
    if sum(isinstance(known[code], FormatChoice) for code in wanted) > 1:
        raise bad_options("Only one of the formats can be chosen.")
    picked: dict[str, Any] = {}
    for code in wanted:
        picked = _united(picked, known[code].pick)
    rest = {key: value for key, value in said.items() if (key, value) != ("want", "info")}
    return patched([rest, picked, {"ask": "never"}])


def _united(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both; lists in the same place are put together."""
    found = dict(one)
    for key, value in other.items():
        before = found.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            found[key] = _united(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            found[key] = [*before, *(each for each in value if each not in before)]
        else:
            found[key] = value
    return found


def _listed(known: Mapping[str, object]) -> str:
    codes = list(known)
    shown = ", ".join(codes[:20])
    return f"{shown}, …" if len(codes) > 20 else shown or "none"
