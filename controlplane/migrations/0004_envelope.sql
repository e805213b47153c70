-- What travels with a purged message beside its body, as JSON; NULL in copies of earlier versions.
ALTER TABLE copies ADD COLUMN envelope TEXT;
