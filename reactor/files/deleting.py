"""Deletes what stands under a name, whatever it is."""

from __future__ import annotations

import shutil
from pathlib import Path


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it; nothing where there is none. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
