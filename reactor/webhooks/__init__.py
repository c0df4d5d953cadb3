"""WEBHOOK_URL: the journal's notices by POST, signed, in order for each row, and never in the way of a download."""
