-- A system gives process numbers out again: with its start, in clock ticks since which boot, a process is known for ever.
ALTER TABLE ranks ADD COLUMN start_time INTEGER;
ALTER TABLE ranks ADD COLUMN boot_id TEXT;
-- The YARN container that a rank is in.
ALTER TABLE ranks ADD COLUMN container_id TEXT;
CREATE INDEX ranks_by_container ON ranks (container_id) WHERE container_id IS NOT NULL;
-- Of a node that has had very many ranks the newest are found at once.
DROP INDEX ranks_by_node;
DROP INDEX ranks_by_host;
CREATE INDEX ranks_by_node ON ranks (node, job_id, attempt) WHERE node IS NOT NULL;
CREATE INDEX ranks_by_host ON ranks (host, job_id, attempt);
