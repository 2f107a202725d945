-- What event files hold beside numbers, as JSON: texts, hyperparameters, and where pictures lie.

CREATE TABLE note (
  id INTEGER PRIMARY KEY,
  job_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('text', 'hparams', 'picture')),
  rank INTEGER NOT NULL,
  run TEXT NOT NULL,
  tag TEXT NOT NULL,
  step INTEGER NOT NULL,
  wall_time REAL NOT NULL,
  content TEXT NOT NULL
) STRICT;

CREATE INDEX note_of_attempt ON note (job_id, kind, attempt);
