-- Every point that training wrote, and how far its event files are read. One transaction changes both.

CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  job_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  run TEXT NOT NULL,
  tag TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('scalar', 'histogram')),
  count INTEGER NOT NULL CHECK (count > 0),
  first_step INTEGER NOT NULL,        -- the smallest
  last_step INTEGER NOT NULL,         -- of the point with the newest wall time, as the next two
  last_wall_time REAL NOT NULL,
  last_value REAL,                    -- null for a histogram, and for NaN, which SQLite cannot hold
  UNIQUE (job_id, attempt, rank, run, tag, kind)
) STRICT;

-- Scalar points in the order written. Small chunks at the end are merged into larger ones as points come.
CREATE TABLE chunk (
  series_id INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  count INTEGER NOT NULL CHECK (count BETWEEN 1 AND 4096),
  points BLOB NOT NULL CHECK (length(points) IN (20 * count, 24 * count)),
  PRIMARY KEY (series_id, number)
) STRICT;

CREATE TABLE histogram (
  series_id INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  step INTEGER NOT NULL,
  point BLOB NOT NULL,
  PRIMARY KEY (series_id, number)
) STRICT;

CREATE TABLE event_file (
  job_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  path TEXT NOT NULL,
  identity TEXT NOT NULL,
  offset INTEGER NOT NULL CHECK (offset >= 0),
  skipped INTEGER NOT NULL,
  oversized INTEGER NOT NULL,
  is_held INTEGER NOT NULL CHECK (is_held IN (0, 1)),
  PRIMARY KEY (job_id, attempt, path)
) STRICT, WITHOUT ROWID;
