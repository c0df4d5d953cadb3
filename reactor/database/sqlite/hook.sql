-- The update hook: TEMP triggers live in our own connection only, nothing of them is in the bot's schema.
-- They ring for what a bot does. What the reactor writes itself does not ring: when it sends a row back to
-- `pending` the stage is `waiting` or `yielded`, when it writes `cancelled` the row has its `finished_at`.

CREATE TEMP TRIGGER IF NOT EXISTS reactor_hook_insert AFTER INSERT ON main.downloads
BEGIN SELECT reactor_hook(); END;

CREATE TEMP TRIGGER IF NOT EXISTS reactor_hook_delete AFTER DELETE ON main.downloads
BEGIN SELECT reactor_hook(); END;

CREATE TEMP TRIGGER IF NOT EXISTS reactor_hook_update AFTER UPDATE OF url, status, cancelled ON main.downloads
WHEN NEW.url IS NOT OLD.url
    OR NEW.cancelled IS NOT OLD.cancelled
    OR (NEW.status = 'pending' AND OLD.status IS NOT 'pending' AND COALESCE(NEW.stage, '') NOT IN ('waiting', 'yielded'))
    OR (NEW.status = 'cancelled' AND OLD.status IS NOT 'cancelled' AND NULLIF(NEW.finished_at, '') IS NULL)
BEGIN SELECT reactor_hook(); END;
