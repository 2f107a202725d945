"""Pure functions from the API's JSON to lines of clean text."""
