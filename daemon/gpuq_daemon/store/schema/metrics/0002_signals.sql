-- What points said of a training that goes wrong: each once for an attempt and a rank.
CREATE TABLE signal (
  job_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  kind TEXT NOT NULL,
  rank INTEGER NOT NULL,
  tag TEXT NOT NULL,
  step INTEGER NOT NULL,
  wall_time REAL NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (job_id, attempt, kind, rank)
) STRICT, WITHOUT ROWID;
