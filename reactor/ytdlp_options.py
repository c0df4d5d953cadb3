"""What the operator may set of yt-dlp's own options."""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["YtdlpOptions"]


class YtdlpOptions(BaseModel):
    """What `YTDLP_OPTIONS` may set. Nothing that starts a program, writes a file, reads one or walks a list."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    age_limit: int | None = None
    ap_mso: str | None = None
    ap_password: str | None = None
    ap_username: str | None = None
    extractor_args: dict[str, dict[str, list[str]]] | None = None
    extractor_retries: int | None = None
    format_sort: list[str] | None = None
    format_sort_force: bool | None = None
    geo_bypass: bool | None = None
    geo_bypass_country: str | None = None
    geo_bypass_ip_block: str | None = None
    geo_verification_proxy: str | None = None
    http_headers: dict[str, str] | None = None
    impersonate: str | None = None
    legacyserverconnect: bool | None = None
    password: str | None = None
    prefer_free_formats: bool | None = None
    prefer_insecure: bool | None = None
    sleep_interval_requests: float | None = None
    socket_timeout: Annotated[float, Field(gt=0)] | None = None
    source_address: str | None = None
    username: str | None = None
    videopassword: str | None = None
