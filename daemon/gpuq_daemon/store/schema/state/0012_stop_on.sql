-- What of its points ends a job: the kinds of signals, with commas between them.
ALTER TABLE jobs ADD COLUMN stop_on TEXT;
