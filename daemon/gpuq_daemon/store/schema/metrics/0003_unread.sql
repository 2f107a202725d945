-- Attempts whose event files are on another file system and have not been read to their ends yet.

CREATE TABLE unread (
  job_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  uri TEXT NOT NULL,
  PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;
