-- What goes with a script: kept as scripts are, by its SHA-256.
ALTER TABLE jobs ADD COLUMN code_sha256 TEXT REFERENCES scripts (sha256);
CREATE INDEX jobs_code ON jobs (code_sha256) WHERE code_sha256 IS NOT NULL;
