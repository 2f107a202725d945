-- Ways to train other than as a cluster that reads its data itself: how often an RDD is fed to it (0: not), without a
-- cluster, or by a driver script of the user's own. `rows` are those of the RDD that a rank has taken.
ALTER TABLE jobs ADD COLUMN epochs INTEGER NOT NULL DEFAULT 0 CHECK (epochs >= 0);
ALTER TABLE jobs ADD COLUMN independent INTEGER NOT NULL DEFAULT 0 CHECK (independent IN (0, 1));
ALTER TABLE jobs ADD COLUMN driver INTEGER NOT NULL DEFAULT 0 CHECK (driver IN (0, 1));
ALTER TABLE ranks ADD COLUMN rows INTEGER CHECK (rows >= 0);
