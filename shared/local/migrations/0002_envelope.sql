-- What travels with a message beside its body, as JSON; NULL if nothing does.
ALTER TABLE messages ADD COLUMN envelope TEXT;
