-- From a process, a node or a host to the ranks that were there: by what people have in hand.
CREATE INDEX ranks_by_pid ON ranks (pid) WHERE pid IS NOT NULL;
CREATE INDEX ranks_by_node ON ranks (node) WHERE node IS NOT NULL;
CREATE INDEX ranks_by_host ON ranks (host);
