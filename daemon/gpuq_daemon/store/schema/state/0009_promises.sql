-- The starts that pending jobs are promised, so that a restart breaks none; `start_at` NULL is not known, since a job
-- without a time limit is in the way. `workers` and `ps` are JSON objects of counts by node.
CREATE TABLE promises (
    job_id INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    start_at REAL,
    gpu_type TEXT NOT NULL,
    workers TEXT NOT NULL,
    ps TEXT NOT NULL
) STRICT;
