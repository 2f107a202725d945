-- Values of which each task of an array has its own combination.
ALTER TABLE jobs ADD COLUMN sweep TEXT;
