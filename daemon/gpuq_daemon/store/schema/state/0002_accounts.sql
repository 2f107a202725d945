-- shares NULL is `parent`
CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    parent TEXT REFERENCES accounts (name),
    shares INTEGER CHECK (shares BETWEEN 0 AND 2147483647)
) STRICT, WITHOUT ROWID;

INSERT INTO accounts (name, parent, shares) VALUES ('root', NULL, 1);

CREATE TABLE associations (
    user TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts (name),
    shares INTEGER CHECK (shares BETWEEN 0 AND 2147483647),
    is_default INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)),
    PRIMARY KEY (user, account)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX associations_default ON associations (user) WHERE is_default;
CREATE INDEX associations_account ON associations (account);

CREATE TABLE qos (
    name TEXT PRIMARY KEY,
    priority INTEGER NOT NULL DEFAULT 0 CHECK (priority >= 0),
    usage_factor REAL NOT NULL DEFAULT 1.0 CHECK (usage_factor >= 0)
) STRICT, WITHOUT ROWID;

INSERT INTO qos (name) VALUES ('normal');

CREATE TABLE limits (
    kind TEXT NOT NULL CHECK (kind IN ('user', 'account', 'qos', 'qos_user')),
    name TEXT NOT NULL,
    running_gpus INTEGER CHECK (running_gpus >= 0),
    running_jobs INTEGER CHECK (running_jobs >= 0),
    queued_jobs INTEGER CHECK (queued_jobs >= 0),
    gpu_hours REAL CHECK (gpu_hours >= 0),
    longest_s INTEGER CHECK (longest_s > 0),
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- nodes, accounts and users are JSON arrays of names
CREATE TABLE reservations (
    name TEXT PRIMARY KEY,
    nodes TEXT NOT NULL,
    start_at REAL NOT NULL,
    end_at REAL NOT NULL CHECK (end_at > start_at),
    accounts TEXT NOT NULL DEFAULT '[]',
    users TEXT NOT NULL DEFAULT '[]',
    by_user TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE drains (
    node TEXT PRIMARY KEY,
    reason TEXT NOT NULL CHECK (reason <> ''),
    since REAL NOT NULL,
    by_user TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- billing-seconds, decayed up to `at`; kept when an association goes, so that coming back forgives nothing
CREATE TABLE usage (
    account TEXT NOT NULL,
    user TEXT NOT NULL,
    amount REAL NOT NULL CHECK (amount >= 0),
    at REAL NOT NULL,
    PRIMARY KEY (account, user)
) STRICT, WITHOUT ROWID;
