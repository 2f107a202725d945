CREATE TABLE scripts (
    sha256 TEXT PRIMARY KEY,
    content TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    uid INTEGER NOT NULL,
    partition TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT')),
    workers INTEGER NOT NULL CHECK (workers > 0),
    gpus_per_worker INTEGER NOT NULL CHECK (gpus_per_worker > 0),
    time_limit_s INTEGER CHECK (time_limit_s > 0),
    script_name TEXT NOT NULL,
    script_sha256 TEXT NOT NULL REFERENCES scripts (sha256),
    args TEXT NOT NULL,
    submitted_at REAL NOT NULL,
    ended_at REAL,
    attempt INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    error TEXT,
    error_tail TEXT NOT NULL DEFAULT '[]',
    failed_rank INTEGER
) STRICT;

CREATE INDEX jobs_not_ended ON jobs (state) WHERE state IN ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING');
CREATE INDEX jobs_of_user ON jobs (user, id);

CREATE TABLE attempts (
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    number INTEGER NOT NULL CHECK (number > 0),
    token TEXT NOT NULL UNIQUE,
    started_at REAL NOT NULL,
    running_at REAL,
    ended_at REAL,
    application_id TEXT,
    driver_pid INTEGER,
    shim TEXT,
    intent TEXT CHECK (intent IN ('cancel', 'timeout')),
    outcome TEXT,
    reports_offset INTEGER NOT NULL DEFAULT 0,
    charged_gpu_s REAL,
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE allocations (
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    node TEXT NOT NULL,
    gpus INTEGER NOT NULL CHECK (gpus > 0),
    PRIMARY KEY (job_id, attempt, node),
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE ranks (
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    rank INTEGER NOT NULL CHECK (rank >= 0),
    role TEXT NOT NULL,
    host TEXT NOT NULL,
    node TEXT,
    pid INTEGER,
    executor_id TEXT,
    gpus TEXT NOT NULL DEFAULT '[]',
    state TEXT NOT NULL CHECK (state IN ('RESERVED', 'RUNNING', 'DONE', 'FAILED', 'LOST', 'KILLED')),
    exit_code INTEGER,
    PRIMARY KEY (job_id, attempt, rank),
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, number)
) STRICT, WITHOUT ROWID;
