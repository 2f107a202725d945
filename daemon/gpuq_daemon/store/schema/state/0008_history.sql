-- How many jobs wait, by whom they count for: kept with every change, since counting them took longer than queueing one.
CREATE TABLE queued (
    user TEXT NOT NULL,
    account TEXT NOT NULL,
    qos TEXT NOT NULL,
    jobs INTEGER NOT NULL CHECK (jobs >= 0),
    PRIMARY KEY (user, account, qos)
) STRICT, WITHOUT ROWID;

INSERT INTO queued SELECT user, account, qos, count(*) FROM jobs WHERE state = 'PENDING' GROUP BY user, account, qos;

CREATE TRIGGER jobs_come AFTER INSERT ON jobs WHEN new.state = 'PENDING' BEGIN
    INSERT INTO queued VALUES (new.user, new.account, new.qos, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER jobs_change AFTER UPDATE OF state, user, account, qos ON jobs
WHEN (old.state = 'PENDING') IS NOT (new.state = 'PENDING')
  OR (new.state = 'PENDING' AND (old.user, old.account, old.qos) IS NOT (new.user, new.account, new.qos)) BEGIN
    UPDATE queued SET jobs = jobs - 1
    WHERE old.state = 'PENDING' AND (user, account, qos) = (old.user, old.account, old.qos);
    INSERT INTO queued SELECT new.user, new.account, new.qos, 1 WHERE new.state = 'PENDING'
    ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER jobs_go AFTER DELETE ON jobs WHEN old.state = 'PENDING' BEGIN
    UPDATE queued SET jobs = jobs - 1 WHERE (user, account, qos) = (old.user, old.account, old.qos);
END;

-- Two indexes were the same, and nothing asks for it any more.
DROP INDEX jobs_queued;
DROP INDEX jobs_waiting;
CREATE INDEX jobs_pending ON jobs (id) WHERE state = 'PENDING';

-- What has ended, the newest last, by what people ask for.
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_ended_user ON jobs (user, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_ended_account ON jobs (account, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_ended_partition ON jobs (partition, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_ended_state ON jobs (state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_ended_name ON jobs (name, ended_at) WHERE ended_at IS NOT NULL;
