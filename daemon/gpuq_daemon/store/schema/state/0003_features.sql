-- What a job may ask for beyond a gang and a time limit.
ALTER TABLE jobs ADD COLUMN account TEXT NOT NULL DEFAULT 'root';
ALTER TABLE jobs ADD COLUMN qos TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE jobs ADD COLUMN gpu_type TEXT;
ALTER TABLE jobs ADD COLUMN nodes_wanted INTEGER CHECK (nodes_wanted > 0);
ALTER TABLE jobs ADD COLUMN exclusive INTEGER NOT NULL DEFAULT 0 CHECK (exclusive IN (0, 1));
ALTER TABLE jobs ADD COLUMN layout TEXT NOT NULL DEFAULT 'pack' CHECK (layout IN ('pack', 'spread'));
ALTER TABLE jobs ADD COLUMN cpus_per_worker INTEGER NOT NULL DEFAULT 0 CHECK (cpus_per_worker >= 0);
ALTER TABLE jobs ADD COLUMN memory_mib_per_worker INTEGER NOT NULL DEFAULT 0 CHECK (memory_mib_per_worker >= 0);
ALTER TABLE jobs ADD COLUMN nice INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN is_top INTEGER NOT NULL DEFAULT 0 CHECK (is_top IN (0, 1));
ALTER TABLE jobs ADD COLUMN hold TEXT CHECK (hold IN ('user', 'admin'));
ALTER TABLE jobs ADD COLUMN begin_at REAL;
ALTER TABLE jobs ADD COLUMN deadline REAL;
ALTER TABLE jobs ADD COLUMN reservation TEXT;
ALTER TABLE jobs ADD COLUMN signal_s INTEGER CHECK (signal_s > 0);

-- As the user wrote it, and as it was understood: [[kind, [job, ...]], ...], an array as its id below zero.
ALTER TABLE jobs ADD COLUMN dependency TEXT;
ALTER TABLE jobs ADD COLUMN waits_for TEXT;

-- A task of an array; `array_id` is the job of the first task.
ALTER TABLE jobs ADD COLUMN array_id INTEGER;
ALTER TABLE jobs ADD COLUMN array_index INTEGER CHECK ((array_index IS NULL) = (array_id IS NULL));
ALTER TABLE jobs ADD COLUMN throttle INTEGER CHECK (throttle > 0);

-- Waits again after an attempt: that attempt is history, not the job's present one.
ALTER TABLE jobs ADD COLUMN is_requeued INTEGER NOT NULL DEFAULT 0 CHECK (is_requeued IN (0, 1));

CREATE UNIQUE INDEX jobs_of_array ON jobs (array_id, array_index) WHERE array_id IS NOT NULL;
CREATE INDEX jobs_queued ON jobs (user, account, qos) WHERE state = 'PENDING';

-- A third intent; a column's own CHECK goes with the column.
ALTER TABLE attempts RENAME COLUMN intent TO intent_before;
ALTER TABLE attempts ADD COLUMN intent TEXT CHECK (intent IN ('cancel', 'timeout', 'requeue'));
UPDATE attempts SET intent = intent_before;
ALTER TABLE attempts DROP COLUMN intent_before;

-- The GPU model the attempt was given, empty where models are not told apart.
ALTER TABLE attempts ADD COLUMN gpu_type TEXT NOT NULL DEFAULT '';

CREATE INDEX jobs_waiting ON jobs (user, account, qos) WHERE state = 'PENDING';
CREATE INDEX jobs_holding ON jobs (id) WHERE state IN ('CONFIGURING', 'RUNNING', 'COMPLETING');
