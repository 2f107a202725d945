-- What nodes there were, with which GPUs, and whether jobs could have them: a row for as long as a node was so, `ended_at`
-- NULL for what is so now. A node joined where none of its rows ends when one begins, and left where none goes on.
CREATE TABLE node_spans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    partition TEXT NOT NULL,
    gpu_type TEXT NOT NULL,
    gpus INTEGER NOT NULL CHECK (gpus >= 0),
    state TEXT NOT NULL CHECK (state IN ('up', 'reserved', 'draining', 'drained', 'maintenance', 'down')),
    reason TEXT NOT NULL,
    by_user TEXT NOT NULL,
    began_at REAL NOT NULL,
    ended_at REAL
) STRICT;
CREATE UNIQUE INDEX node_spans_now ON node_spans (node) WHERE ended_at IS NULL;
CREATE INDEX node_spans_of ON node_spans (node, began_at);

-- Since when that is recorded; jobs of before, from `assumed_from` on, are taken to have run on the nodes of then.
CREATE TABLE node_record (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    began_at REAL NOT NULL,
    assumed_from REAL NOT NULL
) STRICT;
