"""Signatures as Standard Webhooks 1.0 has them, so that receivers can use any of its libraries.

webhook-signature: v1,BASE64(HMAC-SHA256(key, "ID.TIMESTAMP.BODY"))
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
"""Before a key in base64. Anything else is a key as it stands."""
VERSION = "v1"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises ValueError for base64 that is none."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("is no base64 behind whsec_") from error


def signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The header's value. `timestamp`: seconds since the epoch."""
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"{VERSION},{base64.b64encode(digest).decode()}"
