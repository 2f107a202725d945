-- Why attempts end, told apart, and how often a job is tried again where that was not its own fault.
ALTER TABLE jobs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0 CHECK (retries >= 0);
ALTER TABLE jobs ADD COLUMN retried INTEGER NOT NULL DEFAULT 0 CHECK (retried >= 0);
ALTER TABLE jobs ADD COLUMN end_reason TEXT;
ALTER TABLE attempts ADD COLUMN end_reason TEXT;

-- Two more intents; only a CHECK changes, as for DEADLINE.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''deadline'')', '''deadline'', ''preempt'', ''no nodes'')') WHERE name = 'attempts';
PRAGMA writable_schema = RESET;
