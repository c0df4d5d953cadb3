-- The contract between a bot and reactor. A bot may own `downloads` already: what it lacks of these columns is
-- added to it, everything else of it stays as it is. See migration.py.

CREATE TABLE IF NOT EXISTS downloads (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL,                  -- the bot's: what was asked for
    status TEXT DEFAULT 'pending',      -- pending → downloading → downloaded | cancelled | failed | choosing → pending
    cancelled BOOLEAN DEFAULT 0,        -- the bot's: 1 asks for a stop
    owner TEXT,                         -- the bot's: whose row it is, by any key of the bot's (a chat, a user)
    options TEXT,                       -- the bot's: a JSON object, options.py
    priority INTEGER,                   -- the bot's: -2 to 2, among the rows of one owner; anything else is 0
    not_before REAL,                    -- the bot's: seconds since the epoch; not claimed before, and NULL from then on
    added_date TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),  -- UTC; the oldest first, then by id
    title TEXT,
    file_size INTEGER,                  -- bytes
    file_path TEXT,
    file_url TEXT,                      -- where others can fetch it, by FILE_URL; of a folder it ends with /
    machine TEXT,                       -- on PostgreSQL: on whose disk the file is, by MACHINE_NAME
    progress REAL,                      -- 0 to 100
    download_speed REAL,                -- MiB/s
    eta_seconds INTEGER,
    stage TEXT,                         -- detecting, extracting, metadata, fetching, finishing, waiting, quota, yielded; listing, items; NULL when over
    url_type TEXT,                      -- the kind of URL that worked
    retry_count INTEGER DEFAULT 0,
    next_attempt_at REAL,               -- seconds since the epoch; not claimed before; of a choosing row: the end of the question
    started_at TEXT,                    -- UTC; when it was claimed first
    finished_at TEXT,                   -- UTC
    error TEXT,                         -- a sentence for a person
    error_code TEXT,                    -- a stable word
    media_key TEXT,                     -- equal for two rows where they bring the same in the same form
    mime_type TEXT,                     -- of the result, for whoever uploads it
    duration_s REAL,
    width INTEGER,
    height INTEGER,
    thumbnail_path TEXT,                -- a jpg of at most 320 pixels
    files TEXT,                         -- JSON: of a folder, [{"path": …, "bytes": …, "mime": …}, …]
    notes TEXT,                         -- of a downloaded row: sentences about what is not as it was offered, one per line
    parent_id INTEGER,                  -- of an entry of a list: the id of the row that asked for the list
    position INTEGER,                   -- its place in the list, from 1
    item_key TEXT,                      -- what it is in the list: once in each
    items_total INTEGER,                -- of a list: how many rows its entries have become
    items_done INTEGER,                 -- those that came
    items_failed INTEGER,               -- those that are over and did not
    choices TEXT,                       -- of a row that is choosing: what there is to choose from, as JSON
    attempt INTEGER DEFAULT 0,          -- counts the claims: the fencing token of every write
    claimed_by TEXT,
    lease_until REAL                    -- seconds since the epoch
);

-- What the reactor keeps for itself.

CREATE TABLE IF NOT EXISTS reactor_meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- The bot's: what the rows of an owner ask for unless they say otherwise; '' is the owner of rows without one.
CREATE TABLE IF NOT EXISTS reactor_defaults (
    owner TEXT PRIMARY KEY,
    options TEXT NOT NULL               -- as the column options has them
);

-- What the latest attempt of a row is made of, for as long as it may have left something in aria2 or on the disk.
CREATE TABLE IF NOT EXISTS reactor_plans (
    download_id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    plan TEXT NOT NULL,                 -- models.Extraction as JSON; empty when it is too long to stand here
    done TEXT NOT NULL DEFAULT '[]',    -- of many parts, those that are whole on the disk: [[first, last], …]
    published INTEGER NOT NULL DEFAULT 0  -- 1: the row is downloaded; what is left here serves others (seeding)
);

-- Plans that are long, in pieces: what changes all the time, above, is not to be written with them. See plans.py.
CREATE TABLE IF NOT EXISTS reactor_plan_pieces (
    download_id INTEGER NOT NULL,
    n INTEGER NOT NULL,
    piece BLOB NOT NULL,
    PRIMARY KEY (download_id, n)
);

-- How often in a row the process has died while it worked on a row; see crashes.py.
CREATE TABLE IF NOT EXISTS reactor_crashes (
    download_id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    at_work INTEGER NOT NULL            -- 0: held back, to see whether the process lives without it; else the later, the more
);

-- How tries ended that did not end well; see history.py.
CREATE TABLE IF NOT EXISTS reactor_history (
    id INTEGER PRIMARY KEY,
    download_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at REAL NOT NULL,                   -- seconds since the epoch
    code TEXT NOT NULL,
    sentence TEXT NOT NULL,
    again_s REAL
);
CREATE INDEX IF NOT EXISTS reactor_tries ON reactor_history (download_id, id);

-- What the rows of each owner have had; see turns.py. An owner that is not here has had no more than the others.
CREATE TABLE IF NOT EXISTS reactor_owners (
    owner TEXT PRIMARY KEY,             -- '': rows that have none
    tag REAL NOT NULL DEFAULT 0,        -- seconds of slot, each divided by the weight
    weight REAL NOT NULL DEFAULT 1,     -- the operator's: an owner of weight 2 gets twice as many seconds as one of 1
    day INTEGER NOT NULL DEFAULT 0,     -- since 1970, UTC, where there are quotas: what it has had in that day
    day_rows INTEGER NOT NULL DEFAULT 0,
    day_bytes INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- What was published for rows, for as long as retention may delete it; see published.py.
CREATE TABLE IF NOT EXISTS reactor_published (
    id INTEGER PRIMARY KEY,             -- random, so that none is used again
    download_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    folder TEXT NOT NULL,               -- which DOWNLOAD_DIR, by the id that stands in it
    name TEXT NOT NULL,                 -- in that folder
    bytes INTEGER NOT NULL,
    content TEXT NOT NULL,              -- equal for hard links of one file
    at REAL NOT NULL                    -- seconds since the epoch
);
CREATE INDEX IF NOT EXISTS reactor_published_order ON reactor_published (folder, at, id);
CREATE INDEX IF NOT EXISTS reactor_published_content ON reactor_published (folder, content, bytes);

-- Tables of the bot's that are attached, with what was asked for; see mirrors.py.
CREATE TABLE IF NOT EXISTS reactor_mirrors (
    name TEXT PRIMARY KEY,              -- of the table
    definition TEXT NOT NULL            -- mirror.Mirror as JSON
);

-- Each holds the few rows that one question is about, so that its price does not grow with the finished ones.
CREATE INDEX IF NOT EXISTS reactor_pending ON downloads (added_date, id) WHERE status = 'pending';
-- What may be claimed, and what may not yet: `statements.READY`, `order.RANK`. A bot's column that is NOT NULL has '' or 0 for NULL.
CREATE INDEX IF NOT EXISTS reactor_ready ON downloads
    (owner, (CASE priority WHEN -2 THEN 2 WHEN -1 THEN 1 WHEN 1 THEN -1 WHEN 2 THEN -2 ELSE 0 END), added_date, id)
    WHERE status = 'pending' AND coalesce(nullif(next_attempt_at, ''), 0) = 0 AND coalesce(nullif(not_before, ''), 0) = 0;
CREATE INDEX IF NOT EXISTS reactor_yielded ON downloads (id) WHERE status = 'pending' AND stage = 'yielded';
CREATE INDEX IF NOT EXISTS reactor_retries ON downloads (next_attempt_at)
    WHERE status = 'pending' AND coalesce(nullif(next_attempt_at, ''), 0) <> 0;
CREATE INDEX IF NOT EXISTS reactor_later ON downloads (not_before)
    WHERE status = 'pending' AND coalesce(nullif(not_before, ''), 0) <> 0;
CREATE INDEX IF NOT EXISTS reactor_cancels ON downloads (id) WHERE cancelled AND status = 'pending';
CREATE INDEX IF NOT EXISTS reactor_cancel_words ON downloads (id)
    WHERE cancelled <> 0 AND lower(cancelled) IN ('true', 't', 'yes', 'y', 'on') AND status IN ('pending', 'downloading');
CREATE INDEX IF NOT EXISTS reactor_under_way ON downloads (id) WHERE status = 'downloading';
CREATE INDEX IF NOT EXISTS reactor_choosing ON downloads (next_attempt_at, id) WHERE status = 'choosing';
CREATE INDEX IF NOT EXISTS reactor_choosing_cancels ON downloads (id) WHERE status = 'choosing' AND cancelled <> 0;
CREATE INDEX IF NOT EXISTS reactor_stopped ON downloads (id) WHERE status = 'cancelled' AND stage IS NOT NULL AND stage <> '';
CREATE INDEX IF NOT EXISTS reactor_failed ON downloads (finished_at, id) WHERE status = 'failed';
CREATE INDEX IF NOT EXISTS reactor_unserved ON downloads (status, id)
    WHERE status <> 'pending' AND status <> 'downloading' AND status <> 'downloaded' AND status <> 'cancelled'
    AND status <> 'failed' AND status <> 'choosing'
    AND COALESCE(NULLIF(started_at, ''), NULLIF(finished_at, ''), NULLIF(file_path, '')) IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS reactor_items ON downloads (parent_id, item_key)
    WHERE parent_id IS NOT NULL AND item_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS reactor_items_counted ON downloads (parent_id, status)
    WHERE parent_id IS NOT NULL AND item_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS reactor_items_open ON downloads (parent_id)
    WHERE parent_id IS NOT NULL AND item_key IS NOT NULL AND status IN ('pending', 'downloading', 'choosing');
CREATE INDEX IF NOT EXISTS reactor_failed_lines ON downloads (finished_at, id)
    WHERE status = 'failed' AND (parent_id IS NULL OR item_key IS NULL);
CREATE INDEX IF NOT EXISTS reactor_ended_lines ON downloads (id)
    WHERE status <> 'pending' AND status <> 'downloading' AND status <> 'choosing' AND status <> 'failed'
    AND (parent_id IS NULL OR item_key IS NULL);
CREATE INDEX IF NOT EXISTS reactor_lists ON downloads (id) WHERE status = 'downloading' AND stage = 'items';
CREATE INDEX IF NOT EXISTS reactor_media ON downloads (media_key, id) WHERE media_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS reactor_unset ON downloads (id) WHERE status IS NULL;
