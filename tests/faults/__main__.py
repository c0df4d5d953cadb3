"""Write README.md anew."""

from __future__ import annotations

from tests.faults.lines import README, page

README.write_text(page())
