-- What a client called its request to queue a job, so that one that is sent again queues nothing again.
CREATE TABLE request_keys (
    user TEXT NOT NULL,
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
    digest TEXT NOT NULL,
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_keys_at ON request_keys (at);
CREATE INDEX request_keys_job ON request_keys (job_id);
