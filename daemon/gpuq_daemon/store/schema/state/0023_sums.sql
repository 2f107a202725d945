-- What was used and waited, added up as it happens, so that reports over years need not look at a million jobs: with the
-- transaction that ends an attempt, or starts a job for the first time. Jobs that are removed later stay in here.

-- How an attempt ended: its job's final state; or what let its job run again: RETRIED, by its failing, else REQUEUED.
ALTER TABLE attempts ADD COLUMN ended_as TEXT;
UPDATE attempts SET ended_as = (
    SELECT CASE
        WHEN j.attempt = attempts.number AND j.state NOT IN ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING')
            THEN j.state
        WHEN attempts.end_reason IN ('UserError', 'OutOfMemory', 'NodeLost', 'GpuLost', 'ReservationTimeout',
                                     'EngineFailed', 'NotStarted') THEN 'RETRIED'
        ELSE 'REQUEUED' END
    FROM jobs j WHERE j.id = attempts.job_id)
WHERE ended_at IS NOT NULL;

-- By UTC day (days since 1970-01-01), over which a long attempt is spread. `gpus` is the size of the gang. GPU time is in
-- microseconds, whole numbers, so that sums are exact: of it `idle_us` until a first attempt's training began, and
-- `restart_us` the same of a later one, neither of what failed. A job and an attempt count on the day of their end.
CREATE TABLE used (
    day INTEGER NOT NULL,
    account TEXT NOT NULL,
    user TEXT NOT NULL,
    partition TEXT NOT NULL,
    gpu_type TEXT NOT NULL,
    qos TEXT NOT NULL,
    gpus INTEGER NOT NULL,
    ended_as TEXT NOT NULL,
    gpu_us INTEGER NOT NULL DEFAULT 0,
    idle_us INTEGER NOT NULL DEFAULT 0,
    restart_us INTEGER NOT NULL DEFAULT 0,
    jobs INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, account, user, partition, gpu_type, qos, gpus, ended_as)
) STRICT, WITHOUT ROWID;

-- How long jobs waited for their first start, by the day of it and by bands of waits: a band is known by the least whole
-- second in it, and there are sixteen from ten to a hundred.
CREATE TABLE waited (
    day INTEGER NOT NULL,
    account TEXT NOT NULL,
    user TEXT NOT NULL,
    partition TEXT NOT NULL,
    gpu_type TEXT NOT NULL,
    qos TEXT NOT NULL,
    gpus INTEGER NOT NULL,
    band INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    sum_us INTEGER NOT NULL,
    longest_s REAL NOT NULL,
    PRIMARY KEY (day, account, user, partition, gpu_type, qos, gpus, band)
) STRICT, WITHOUT ROWID;

-- What was counted before jobs were removed is all that is known of those: neither their QOS nor how they ended.
INSERT INTO used (day, account, user, partition, gpu_type, qos, gpus, ended_as, gpu_us, jobs, attempts)
SELECT day, account, user, partition, gpu_type, '', 0, '', gpu_us, jobs, attempts FROM rollup;
DROP TABLE rollup;

-- utc_day, day_parts and wait_band are functions of gpuqd's, as `store.sums` uses them afterwards.
INSERT INTO used (day, account, user, partition, gpu_type, qos, gpus, ended_as, gpu_us, jobs, attempts)
SELECT CAST(d.key AS INTEGER) AS day, j.account, j.user, j.partition, a.gpu_type, j.qos, j.workers * j.gpus_per_worker,
       a.ended_as, sum(d.value),
       sum(CAST(d.key AS INTEGER) = utc_day(a.ended_at) AND a.ended_as NOT IN ('RETRIED', 'REQUEUED')),
       sum(CAST(d.key AS INTEGER) = utc_day(a.ended_at))
FROM attempts a JOIN jobs j ON j.id = a.job_id,
     json_each(day_parts(a.started_at, a.ended_at, CAST(round(coalesce(a.charged_gpu_s, 0) * 1e6) AS INTEGER))) d
WHERE a.ended_as IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

INSERT INTO used (day, account, user, partition, gpu_type, qos, gpus, ended_as, idle_us, restart_us)
SELECT CAST(d.key AS INTEGER) AS day, account, user, partition, gpu_type, qos, gpus, ended_as,
       sum(d.value * (number = 1)), sum(d.value * (number > 1))
FROM (SELECT j.account, j.user, j.partition, a.gpu_type, j.qos, j.workers * j.gpus_per_worker AS gpus, a.ended_as, a.number,
             a.started_at, min(coalesce(a.running_at, a.ended_at), a.ended_at) AS began,
             CAST(a.charged_gpu_s * 1e6 / max(a.ended_at - a.started_at, 1e-9)
               * max(0, min(coalesce(a.running_at, a.ended_at), a.ended_at) - a.started_at) AS INTEGER) AS us
      FROM attempts a JOIN jobs j ON j.id = a.job_id
      WHERE a.ended_as IS NOT NULL AND a.ended_as NOT IN ('FAILED', 'RETRIED') AND a.charged_gpu_s > 0) t,
     json_each(day_parts(t.started_at, t.began, t.us)) d
WHERE t.us > 0
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ON CONFLICT DO UPDATE SET idle_us = idle_us + excluded.idle_us, restart_us = restart_us + excluded.restart_us;

INSERT INTO waited
SELECT utc_day(started_at), account, user, partition, gpu_type, qos, gpus, wait_band(wait_s), count(*),
       sum(CAST(round(wait_s * 1e6) AS INTEGER)), max(wait_s)
FROM (SELECT j.account, j.user, j.partition, a.gpu_type, j.qos, j.workers * j.gpus_per_worker AS gpus, a.started_at,
             max(0.0, a.started_at - max(j.submitted_at, coalesce(j.begin_at, 0))) AS wait_s
      FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.number = 1)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

-- What removed jobs are counted with: `gpuqd verify` compares it, and the jobs that are kept, with the sums.
UPDATE rolled_up SET jobs = (SELECT coalesce(sum(jobs), 0) FROM used WHERE ended_as = ''),
    attempts = (SELECT coalesce(sum(attempts), 0) FROM used WHERE ended_as = ''),
    gpu_us = (SELECT coalesce(sum(gpu_us), 0) FROM used WHERE ended_as = '');
