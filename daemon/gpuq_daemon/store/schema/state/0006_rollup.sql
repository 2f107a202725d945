-- What jobs that are not kept any more were charged, by UTC day (days since 1970-01-01) and who paid for what; a long
-- attempt is spread over its days. GPU time is in microseconds, a whole number, so that sums are exact. A job and an
-- attempt are counted on the day of their end. These rows are kept for ever.
CREATE TABLE rollup (
    day INTEGER NOT NULL,
    account TEXT NOT NULL,
    user TEXT NOT NULL,
    partition TEXT NOT NULL,
    gpu_type TEXT NOT NULL,
    gpu_us INTEGER NOT NULL DEFAULT 0 CHECK (gpu_us >= 0),
    jobs INTEGER NOT NULL DEFAULT 0 CHECK (jobs >= 0),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    PRIMARY KEY (day, account, user, partition, gpu_type)
) STRICT, WITHOUT ROWID;

-- The same, added up before it is spread over days: `gpuqd verify` compares.
CREATE TABLE rolled_up (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    gpu_us INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    attempts INTEGER NOT NULL
) STRICT;
INSERT INTO rolled_up VALUES (1, 0, 0, 0);

-- Jobs whose rows are gone, and whose points and files have still to go.
CREATE TABLE leaving (
    job_id INTEGER PRIMARY KEY,
    uid INTEGER NOT NULL
) STRICT;

-- How far points and files of ended jobs are removed, by (end, number), and the time that is sure to have come.
CREATE TABLE retention (
    what TEXT PRIMARY KEY CHECK (what IN ('points', 'logs', 'time')),
    at REAL NOT NULL,
    job_id INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_script ON jobs (script_sha256);
CREATE INDEX jobs_that_depend ON jobs (id)
    WHERE waits_for IS NOT NULL AND state IN ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING');
