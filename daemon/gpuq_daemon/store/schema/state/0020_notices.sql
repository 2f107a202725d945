-- What of a job is told, by which ways (these are its owner's alone to see), and what is on its way.
ALTER TABLE jobs ADD COLUMN notify TEXT;
ALTER TABLE jobs ADD COLUMN notify_to TEXT;

-- States that somebody is to be told of: noted in the transaction that changes the state, so that none is missed.
CREATE TABLE happenings (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;

CREATE INDEX happenings_of_job ON happenings (job_id);

CREATE TRIGGER jobs_happen AFTER UPDATE OF state ON jobs
WHEN new.notify IS NOT NULL AND new.state IS NOT old.state AND new.state NOT IN ('CONFIGURING', 'COMPLETING') BEGIN
    INSERT INTO happenings (job_id, attempt, state) VALUES (new.id, new.attempt, new.state);
END;

-- The outbox. `key` is what is told once, and the id by which a receiver knows what it has had before.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    job_id INTEGER NOT NULL,
    user TEXT NOT NULL,
    uid INTEGER NOT NULL,
    event TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('mail', 'webhook', 'command')),
    address TEXT NOT NULL,
    notice TEXT NOT NULL,
    at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dropped')),
    tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL,
    ended_at REAL,
    said TEXT
) STRICT;

CREATE INDEX messages_waiting ON messages (user, next_at) WHERE state = 'waiting';
CREATE INDEX messages_of_job ON messages (job_id);
CREATE INDEX messages_ended ON messages (ended_at) WHERE ended_at IS NOT NULL;
