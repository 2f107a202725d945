-- Which accounts may use a QOS: their names with spaces between them, none for all accounts.

ALTER TABLE qos ADD COLUMN accounts TEXT NOT NULL DEFAULT '';
