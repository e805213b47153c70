-- One row that is written now and then, so that a disk that takes no more is known before something is lost on it.
CREATE TABLE pulse (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at  INTEGER NOT NULL
) STRICT;
