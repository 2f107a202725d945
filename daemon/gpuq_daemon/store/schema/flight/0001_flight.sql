-- What was promised to whom, and what came of it. `started_at` and `left_at` NULL: it waits still; `left_at` is when it
-- left the queue without having started.
CREATE TABLE estimates (
    job_id INTEGER NOT NULL,
    made_at REAL NOT NULL,
    p50_at REAL,
    p90_at REAL,
    started_at REAL,
    left_at REAL,
    PRIMARY KEY (job_id, made_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX estimates_open ON estimates (job_id) WHERE started_at IS NULL AND left_at IS NULL;
CREATE INDEX estimates_made ON estimates (made_at);

-- Passes: all that they saw (`base` NULL), or what of that is other than in the pass before it; compressed. `decided`
-- is what came of it.
CREATE TABLE passes (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    base INTEGER,
    scene BLOB NOT NULL,
    decided BLOB NOT NULL
) STRICT;

CREATE INDEX passes_at ON passes (at);

-- What has to outlast a restart, by name.
CREATE TABLE kept (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
