-- Ranks without a GPU: parameter servers and an evaluator, which asks for the same as one of them.
ALTER TABLE jobs ADD COLUMN ps INTEGER NOT NULL DEFAULT 0 CHECK (ps >= 0);
ALTER TABLE jobs ADD COLUMN evaluator INTEGER NOT NULL DEFAULT 0 CHECK (evaluator IN (0, 1));
ALTER TABLE jobs ADD COLUMN cpus_per_ps INTEGER NOT NULL DEFAULT 1 CHECK (cpus_per_ps > 0);
ALTER TABLE jobs ADD COLUMN memory_mib_per_ps INTEGER NOT NULL DEFAULT 0 CHECK (memory_mib_per_ps >= 0);

-- A node may now hold of a job nothing but such ranks: `servers` is how many. A column's own CHECK goes with the column.
ALTER TABLE allocations RENAME COLUMN gpus TO gpus_before;
ALTER TABLE allocations ADD COLUMN gpus INTEGER NOT NULL DEFAULT 0 CHECK (gpus >= 0);
UPDATE allocations SET gpus = gpus_before;
ALTER TABLE allocations DROP COLUMN gpus_before;
ALTER TABLE allocations ADD COLUMN servers INTEGER NOT NULL DEFAULT 0 CHECK (servers >= 0);
