-- What travels with a purged message beside its body, as JSON, and when it was first sent: messages of a group are put back in this
-- order. NULL in copies of earlier versions.
ALTER TABLE copies ADD COLUMN envelope TEXT;
ALTER TABLE copies ADD COLUMN enqueued_at INTEGER;
