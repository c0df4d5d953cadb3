"""What the page's API takes, as models: what comes in is validated by them, and they are in its OpenAPI document."""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

URLS_MAX = 100
URL_CHARS_MAX = 16_384
CODES_MAX = 200


class _Model(BaseModel):
    model_config = ConfigDict(defer_build=True)


class Token(_Model):
    """What signs in."""

    token: Annotated[str, StringConstraints(max_length=1000)] = Field(
        description="PAGE_TOKEN, or the one that was printed at the start."
    )


class Urls(_Model):
    """Rows to add."""

    urls: Annotated[
        list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=URL_CHARS_MAX)]],
        Field(min_length=1, max_length=URLS_MAX, description="A row for each."),
    ]
    options: dict[str, Any] = Field(
        default_factory=dict, description="What all of them ask for: contrib/docs/options.md."
    )


class Codes(_Model):
    """An answer to what a row asks."""

    codes: Annotated[list[Annotated[str, StringConstraints(max_length=10)]], Field(max_length=CODES_MAX)] = Field(
        description="Of the choices; none: the default."
    )
