CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL,
    expires_at REAL,
    last_used_at REAL,
    UNIQUE (user, name)
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    uid INTEGER NOT NULL,
    user TEXT NOT NULL,
    token TEXT,
    source TEXT NOT NULL,
    verb TEXT NOT NULL,
    target TEXT,
    change TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    error TEXT
) STRICT;

CREATE INDEX audit_by_time ON audit (at);
