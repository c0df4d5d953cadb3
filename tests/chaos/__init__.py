"""Storms: the real reactor, its aria2c and a bot, killed at any moment."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
