-- What a rank says of its container that the engine knows to be otherwise.
ALTER TABLE ranks ADD COLUMN disagrees TEXT;
