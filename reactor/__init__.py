"""reactor: the download engine behind chat bots."""

__version__ = "0.1.0"
