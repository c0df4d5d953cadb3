"""A new name for a file or folder, never over anything.

    rename_new(source, target)

By renameat2(2) with RENAME_NOREPLACE: Linux, on most local file systems; not on NFS.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

AT_FDCWD = -100
RENAME_NOREPLACE = 1
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What the system says where there is no such thing."""


def rename_new(source: Path, target: Path) -> None:
    """Raises FileExistsError where something stands at `target`, OSError with an errno of UNSUPPORTED where system or
    disk have no such thing, another OSError as os.rename does; then nothing has changed."""
    sys.audit("reactor.rename_new", source, target)
    rename = _renameat2()
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if rename(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


@cache
def _renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # musl has none
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return function
