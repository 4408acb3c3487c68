"""One module a schema version. A version that people have is never edited: a later one follows it."""
