"""A row in each of the states in which a question looks for rows, beside any number that are over."""

NOW = 1_800_000_000.0
UNDER_WAY = f"""INSERT INTO downloads (url, status, cancelled, attempt, stage, next_attempt_at) VALUES
    ('u', 'pending', 0, 0, NULL, NULL), ('u', 'pending', 1, 0, NULL, NULL),
    ('u', 'pending', 0, 1, 'waiting', {NOW + 9}), ('u', 'downloading', 0, 1, 'fetching', NULL),
    ('u', 'cancelled', 0, 1, 'waiting', NULL), ('u', NULL, 0, 0, NULL, NULL),
    ('u', 'choosing', 0, 1, 'waiting', {NOW + 19}), ('u', 'choosing', 1, 1, 'waiting', {NOW + 19}),
    ('u', 'choosing', 0, 1, 'waiting', {NOW - 1})"""
