"""Tables as bots of the field have them on PostgreSQL: see `tests/database/sqlite/shapes.py`."""

from __future__ import annotations

from tests.database.sqlite.shapes import USUAL, usual

SHAPES = [
    usual(
        "a plain table with whole numbers for keys",
        """CREATE TABLE jobs (id serial PRIMARY KEY, link text, state text DEFAULT 'queued', path text,
        rank integer)""",
        "INSERT INTO jobs (link, rank) VALUES (?, 0)",
        further={"priority": "rank", "file_path": "path"},
    ),
    usual(
        "UUIDs",
        """CREATE TABLE jobs (id uuid PRIMARY KEY, link text NOT NULL, state varchar(16) NOT NULL, path text,
        wishes jsonb)""",
        """INSERT INTO jobs VALUES (CAST(lpad(CAST(:n AS text), 8, '0') || '-0000-4f5a-8000-000000000000' AS uuid), ?,
        'queued', NULL, '{"quality": 720}')""",
        row="id = CAST(lpad(CAST(:n AS text), 8, '0') || '-0000-4f5a-8000-000000000000' AS uuid)",
        further={"file_path": "path", "options": "wishes"},
    ),
    usual(
        "texts for keys",
        "CREATE TABLE jobs (id varchar(20) PRIMARY KEY, link text, state text, path text)",
        "INSERT INTO jobs VALUES ('key-' || :n, ?, 'queued', NULL)",
        row="id = 'key-' || :n",
        further={"file_path": "path"},
    ),
    usual(
        "bytes for keys",
        "CREATE TABLE jobs (id bytea PRIMARY KEY, link text, state text, path text)",
        "INSERT INTO jobs VALUES (CAST('key-' || :n AS bytea), ?, 'queued', NULL)",
        row="id = CAST('key-' || :n AS bytea)",
        further={"file_path": "path"},
    ),
    usual(
        "a key of two columns",
        """CREATE TABLE jobs (chat bigint, message text, link text, state text DEFAULT 'queued', path text,
        PRIMARY KEY (chat, message))""",
        "INSERT INTO jobs (chat, message, link) VALUES (7, CAST(:n AS text), ?)",
        row="chat = 7 AND message = CAST(:n AS text)",
        further={"owner": "chat", "file_path": "path"},
    ),
    usual(
        "a key that is none but UNIQUE, and an id that counts always",
        """CREATE TABLE jobs (id bigint GENERATED ALWAYS AS IDENTITY, code text UNIQUE, link text,
        state text DEFAULT 'queued', path text)""",
        "INSERT INTO jobs (code, link) VALUES ('code' || :n, ?)",
        row="code = 'code' || :n",
        keys=("code",),
        further={"file_path": "path"},
    ),
    usual(
        "statuses as whole numbers",
        "CREATE TABLE jobs (id serial PRIMARY KEY, link text, state smallint NOT NULL DEFAULT 0, path text)",
        "INSERT INTO jobs (link) VALUES (?)",
        words="0=pending,1=downloading,2=downloaded,-1=failed,9=cancelled",
        says={"pending": 0, "downloading": 1, "downloaded": 2, "failed": -1, "cancelled": 9},
        further={"file_path": "path"},
    ),
    usual(
        "a status that is NULL for what waits",
        "CREATE TABLE jobs (id serial PRIMARY KEY, link text, state text, path text)",
        "INSERT INTO jobs (link) VALUES (?)",
        words="NULL=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled",
        says=USUAL | {"pending": None},
        further={"file_path": "path"},
    ),
    usual(
        "two flags in place of a status",
        """CREATE TABLE jobs (id serial PRIMARY KEY, link text, done boolean DEFAULT FALSE,
        failed boolean DEFAULT FALSE, stop boolean DEFAULT FALSE, path text)""",
        "INSERT INTO jobs (link) VALUES (?)",
        words="0+0=pending,true+false=downloaded,0+1=failed",
        status=("done", "failed"),
        state="CAST(CAST(done AS integer) AS text) || '+' || CAST(CAST(failed AS integer) AS text)",
        says={"pending": "0+0", "downloaded": "1+0", "failed": "0+1"},
        writes={"pending": "done = FALSE, failed = FALSE, stop = FALSE", "cancelled": "stop = TRUE"},
        further={"cancelled": "stop", "file_path": "path"},
    ),
    usual(
        "a status of a type of its own",
        """CREATE TYPE state AS ENUM ('queued', 'running', 'done', 'failed', 'stopped', 'sent');;
        CREATE TABLE jobs (id serial PRIMARY KEY, link text NOT NULL, state state NOT NULL DEFAULT 'queued',
        path text)""",
        "INSERT INTO jobs (link) VALUES (?)",
        further={"file_path": "path"},
    ),
    usual(
        "columns that are NOT NULL, and moments",
        """CREATE TABLE jobs (id serial PRIMARY KEY, link text NOT NULL, state text NOT NULL DEFAULT 'queued',
        path text NOT NULL DEFAULT '', why varchar(10) NOT NULL DEFAULT '', percent integer NOT NULL DEFAULT 0,
        heading text NOT NULL DEFAULT '', created_at timestamptz NOT NULL DEFAULT now(), stopped_at timestamptz)""",
        "INSERT INTO jobs (link) VALUES (?)",
        further={"file_path": "path", "error": "why", "progress": "percent", "title": "heading"}
        | {"cancelled": "stopped_at"},
    ),
    usual(
        "a CHECK",
        """CREATE TABLE jobs (id serial PRIMARY KEY, link text NOT NULL, state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'stopped', 'sent')), path text, percent numeric(5, 2),
        CHECK (state <> 'done' OR path IS NOT NULL))""",
        "INSERT INTO jobs (link) VALUES (?)",
        further={"file_path": "path", "progress": "percent"},
    ),
    usual(
        "triggers of its own",
        """CREATE TABLE jobs (id serial PRIMARY KEY, link text, state text DEFAULT 'queued', path text, changed text);;
        CREATE TABLE log (job integer, was text, state text);;
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.changed := 'now'; RETURN NEW; END $$;;
        CREATE TRIGGER touched BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION touch();;
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO log VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END $$;;
        CREATE TRIGGER logged AFTER UPDATE OF state ON jobs FOR EACH ROW
        WHEN (NEW.state IS DISTINCT FROM OLD.state) EXECUTE FUNCTION note()""",
        "INSERT INTO jobs (link) VALUES (?)",
        further={"file_path": "path"},
    ),
    usual(
        "a URL that is generated from parts",
        """CREATE TABLE jobs (id serial PRIMARY KEY, host text DEFAULT 'http://host.example/', tail text,
        link text GENERATED ALWAYS AS (host || tail) STORED, state text DEFAULT 'queued', path text,
        name text GENERATED ALWAYS AS (replace(path, '/', ' ')) STORED)""",
        "INSERT INTO jobs (tail) VALUES (replace(?, 'http://host.example/', ''))",
        further={"file_path": "path"},
    ),
    usual(
        "a table that goes with its chat",
        """CREATE TABLE chats (id integer PRIMARY KEY);;
        INSERT INTO chats VALUES (1), (2), (3), (4), (5);;
        CREATE TABLE jobs (id serial PRIMARY KEY, chat integer NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
        link text, state text DEFAULT 'queued', path text)""",
        "INSERT INTO jobs (chat, link) VALUES (:n, ?)",
        further={"owner": "chat", "file_path": "path"},
    ),
    usual(
        "names that have to be quoted",
        """CREATE TABLE "Die ""Aufträge"" der Bots" ("Der Schlüssel" text PRIMARY KEY, "die URL" text,
        "state's" text DEFAULT 'in ''Arbeit''', "select" text)""",
        """INSERT INTO "Die ""Aufträge"" der Bots" ("Der Schlüssel", "die URL") VALUES ('Nr. ' || :n, ?)""",
        table='Die "Aufträge" der Bots',
        url="die URL",
        status=("state's",),
        state='"state\'s"',
        words="in 'Arbeit'=pending,läuft=downloading,fertig=downloaded,kaputt \U0001f4a5=failed,halt=cancelled",
        says={"pending": "in 'Arbeit'", "downloading": "läuft", "downloaded": "fertig", "cancelled": "halt"}
        | {"failed": "kaputt \U0001f4a5"},
        row="\"Der Schlüssel\" = 'Nr. ' || :n",
        further={"file_path": "select"},
    ),
]
