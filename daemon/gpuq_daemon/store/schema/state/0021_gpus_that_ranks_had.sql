-- From a GPU's own name (a UUID, not a number that every node has) to the ranks that have or had it, and from a driver
-- that is gone to its attempt.
CREATE TABLE gpu_ranks (
    gpu TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    PRIMARY KEY (gpu, job_id, attempt, rank)
) STRICT, WITHOUT ROWID;

INSERT INTO gpu_ranks
SELECT DISTINCT g.value, r.job_id, r.attempt, r.rank FROM ranks r, json_each(r.gpus) g WHERE g.value GLOB '*[^0-9]*';

CREATE TRIGGER ranks_come AFTER INSERT ON ranks WHEN new.gpus <> '[]' BEGIN
    INSERT OR IGNORE INTO gpu_ranks
    SELECT value, new.job_id, new.attempt, new.rank FROM json_each(new.gpus) WHERE value GLOB '*[^0-9]*';
END;

CREATE TRIGGER ranks_change AFTER UPDATE OF gpus ON ranks WHEN new.gpus <> old.gpus BEGIN
    INSERT OR IGNORE INTO gpu_ranks
    SELECT value, new.job_id, new.attempt, new.rank FROM json_each(new.gpus) WHERE value GLOB '*[^0-9]*';
END;

CREATE TRIGGER ranks_go AFTER DELETE ON ranks WHEN old.gpus <> '[]' BEGIN
    DELETE FROM gpu_ranks
    WHERE gpu IN (SELECT value FROM json_each(old.gpus))
      AND (job_id, attempt, rank) = (old.job_id, old.attempt, old.rank);
END;

CREATE INDEX attempts_by_driver ON attempts (driver_pid) WHERE driver_pid IS NOT NULL;
