"""What one download may take. Bytes and seconds; 0 is no limit."""

from __future__ import annotations

from dataclasses import replace

from reactor.errors import Failure
from reactor.numbers import PLAN_BYTES_MAX, SIZE_MAX
from reactor.options import Options
from reactor.plan import Extraction
from reactor.records import dataclass

MIB, TIB = 1024**2, 1024**4
FREE_SPACE_MIN = 16 * MIB
"""With less room than this a disk is full, whatever the settings say. What is no larger is begun without a look."""
MORE = "Whoever runs this can allow more."
WITHOUT = "Ask for it with a larger `max_mib`, or with none."
PLAN_TOO_LARGE = Failure(
    "too_large",
    f"The list of its parts takes more than {PLAN_BYTES_MAX // MIB} MiB: too many of them have too long addresses.",
)


@dataclass(frozen=True, slots=True)
class Quotas:
    """The part of the settings that is about this."""

    max_file_size: int = 0
    said_by: str = "MAX_FILE_SIZE_MIB"
    """What set that."""
    min_free_disk: int = 0
    max_parts: int = 0
    download_timeout_s: float = 0.0

    def of(self, options: Options) -> Quotas:
        """Those of a row that asks for less."""
        most = (options.max_mib or 0) * MIB
        if not most or 0 < self.max_file_size <= most:
            return self
        return replace(self, max_file_size=most, said_by="max_mib")

    def refusal(self, extraction: Extraction, joined: int = 0) -> Failure | None:
        """What speaks against it, as far as can be told before; `joined`: bytes that putting it together writes."""
        parts = len(extraction.fetches)
        if self.max_parts and parts > self.max_parts:
            return Failure("too_large", f"It comes in {parts} parts; {self.max_parts} are allowed (MAX_PARTS).", MORE)
        if extraction.plan_bytes > PLAN_BYTES_MAX:
            return PLAN_TOO_LARGE
        return self.too_large(max(extraction.size or 0, joined))

    def too_large(self, size: int) -> Failure | None:
        """What speaks against so many bytes."""
        if size > SIZE_MAX:
            sentence = f"It is said to have more than {SIZE_MAX // TIB} TiB, which no file has."
            return Failure("too_large", sentence)
        if not self.max_file_size or size <= self.max_file_size:
            return None
        sizes = f"It has {size / MIB:.1f} MiB; {self.max_file_size / MIB:g} MiB are allowed ({self.said_by})."
        return Failure("too_large", sizes, WITHOUT if self.said_by == "max_mib" else MORE)

    def ends_at(self, begun_at: float) -> float | None:
        """When the time of an attempt is up; None when it never is."""
        return begun_at + self.download_timeout_s if self.download_timeout_s else None

    @property
    def took_too_long(self) -> Failure:
        """What is said of an attempt whose time is up."""
        return Failure("timeout", f"It was not done after {self.download_timeout_s:g} s (DOWNLOAD_TIMEOUT_S).", MORE)
