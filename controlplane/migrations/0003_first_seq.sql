-- Where the counting of a start's events begins: at the first number seen. Whoever runs longer than this memory has told earlier ones to
-- another, and they are not lost. Events lost on the way are those from first_seq to max_seq, less received.
ALTER TABLE boots ADD COLUMN first_seq INTEGER NOT NULL DEFAULT 1;
