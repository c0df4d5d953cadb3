"""The journal: one stream of notices, rendered as NDJSON, as human lines, or as a live view."""
