-- A system gives process numbers out again: with its start, in clock ticks since which boot, a process is known for ever.
ALTER TABLE ranks ADD COLUMN start_time INTEGER;
ALTER TABLE ranks ADD COLUMN boot_id TEXT;
-- The YARN container that a rank is in.
ALTER TABLE ranks ADD COLUMN container_id TEXT;
CREATE INDEX ranks_by_container ON ranks (container_id) WHERE container_id IS NOT NULL;
