"""What the services' tests share."""

from __future__ import annotations

from tests.real.conftest import samples

__all__ = ["samples"]
