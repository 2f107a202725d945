-- One more end, DEADLINE, and what leads to it. Only the CHECKs change, no row does, so the text of the tables is
-- changed in place: see "Making Other Kinds Of Table Schema Changes" in SQLite's page about ALTER TABLE.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''TIMEOUT'')', '''TIMEOUT'', ''DEADLINE'')') WHERE name = 'jobs';
UPDATE sqlite_schema SET sql = replace(sql, '''requeue'')', '''requeue'', ''deadline'')') WHERE name = 'attempts';
PRAGMA writable_schema = RESET;
