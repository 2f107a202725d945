-- Pods of attempts, kept for as long as these: from any of a pod's names one gets to its job, also when it is long gone.
-- `disagrees` is what a pod says of itself that is not so; `gone_at` is when it was found to be gone.
CREATE TABLE pods (
    uid TEXT PRIMARY KEY,
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT,
    executor_id TEXT,
    application_id TEXT,
    container_id TEXT,
    owner_uid TEXT,
    node TEXT,
    phase TEXT NOT NULL,
    waits_for TEXT,
    exit_code INTEGER,
    reason TEXT,
    disagrees TEXT,
    first_seen REAL NOT NULL,
    last_seen REAL NOT NULL,
    gone_at REAL,
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, number)
) STRICT;

CREATE INDEX pods_by_job ON pods (job_id, attempt);
CREATE INDEX pods_by_name ON pods (name, namespace);
CREATE INDEX pods_by_application ON pods (application_id) WHERE application_id IS NOT NULL;
CREATE INDEX pods_by_container ON pods (container_id) WHERE container_id IS NOT NULL;
CREATE INDEX pods_there ON pods (job_id) WHERE gone_at IS NULL;
CREATE INDEX attempts_by_application ON attempts (application_id) WHERE application_id IS NOT NULL;
