-- What is known of a job's result: its size when it was first listed, and how its last check ended, as JSON.
CREATE TABLE checks (
    job_id     BLOB PRIMARY KEY,
    bytes      INTEGER,
    checked_at INTEGER,
    -- The finding's evidence, where the check found the result damaged.
    damage     TEXT,
    summary    TEXT
) WITHOUT ROWID;
