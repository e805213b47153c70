-- Events, in the order of their arrival. Append-only: rows are only ever removed from the old end.
CREATE TABLE events (
    n           INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    id          BLOB    NOT NULL,
    time        INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    job_id      BLOB,
    is_progress INTEGER NOT NULL,
    body        TEXT    NOT NULL,
    UNIQUE (source, id)
) STRICT;
CREATE INDEX events_by_job ON events (job_id, time) WHERE job_id IS NOT NULL;
CREATE INDEX events_by_time ON events (time);

-- One row a start of a source. Events lost on the way are max_seq less received: an event that comes late fills its gap.
CREATE TABLE boots (
    source   TEXT    NOT NULL,
    boot     BLOB    NOT NULL,
    max_seq  INTEGER NOT NULL,
    received INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    done     INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    started  TEXT,
    latest   TEXT,
    PRIMARY KEY (source, boot)
) STRICT, WITHOUT ROWID;
CREATE INDEX boots_by_time ON boots (last_at);

-- Plans, and once applied what became of them: the action log.
CREATE TABLE plans (
    id         BLOB    PRIMARY KEY,
    created_at INTEGER NOT NULL,
    applied_at INTEGER,
    plan       TEXT    NOT NULL,
    applied    TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX plans_by_application ON plans (applied_at) WHERE applied_at IS NOT NULL;
CREATE INDEX plans_by_creation ON plans (created_at);

-- Messages that a purge took off a queue, kept so that they can be put back.
CREATE TABLE copies (
    plan_id     BLOB    NOT NULL,
    message_id  TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    body        TEXT    NOT NULL,
    copied_at   INTEGER NOT NULL,
    restored_at INTEGER,
    PRIMARY KEY (plan_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX copies_by_time ON copies (copied_at);

-- Ready messages by queue, one sample a minute.
CREATE TABLE samples (
    queue  TEXT    NOT NULL,
    minute INTEGER NOT NULL,
    ready  INTEGER NOT NULL,
    PRIMARY KEY (queue, minute)
) STRICT, WITHOUT ROWID;
