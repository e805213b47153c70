-- The job that a message is about; NULL if it names none.
ALTER TABLE messages ADD COLUMN job BLOB;
-- Messages that are ready are received in this order, so that the jobs of a queue take turns: see queue/writes.rs.
ALTER TABLE messages ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
DROP INDEX messages_by_visibility;
-- Serves receiving, in order of turns, and, covering, the counts.
CREATE INDEX messages_by_visibility ON messages (queue, visible_at, turn, seq, is_leased, enqueued_at);
-- Finds a job's last turn.
CREATE INDEX messages_by_job ON messages (queue, job, turn) WHERE job IS NOT NULL;
