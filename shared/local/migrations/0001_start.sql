-- Times are milliseconds since the Unix epoch.

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    enqueued_at INTEGER NOT NULL,
    -- Far in the past for a message that is ready at once, so that no clock set back hides it.
    visible_at INTEGER NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    -- Raised at each leasing, so that an older receipt no longer fits.
    lease_no INTEGER NOT NULL DEFAULT 0,
    -- 1 from a leasing to a release; tells a leased message from a delayed one.
    is_leased INTEGER NOT NULL DEFAULT 0,
    dead_lettered_at INTEGER
) STRICT;
-- Serves receiving, in order of sending, and, covering, the counts.
CREATE INDEX messages_by_visibility ON messages (queue, visible_at, seq, is_leased, enqueued_at);

-- Objects about to appear, whose message is not sent yet.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    side TEXT NOT NULL,
    key TEXT NOT NULL,
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    mode TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    total_segments INTEGER,
    completed_at INTEGER,
    title TEXT,
    uploaded_at INTEGER,
    source_file_size_bytes INTEGER,
    error TEXT,
    -- JSON
    options TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_status ON jobs (status, created_at, job_id);

CREATE TABLE completions (
    job_id TEXT NOT NULL,
    segment_index INTEGER NOT NULL,
    output_uri TEXT NOT NULL,
    completed_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, segment_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE locks (
    job_id TEXT PRIMARY KEY,
    triggered_at INTEGER NOT NULL,
    reassembly_started_at INTEGER,
    lease_until INTEGER,
    owner TEXT
) STRICT, WITHOUT ROWID;
