-- The views' database: disposable, it can be built anew from the log at any time. Each view has a table of its own,
-- view_ID, made by viewtable.go.

CREATE TABLE views (
	id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never given out twice: it names the view's table
	name        TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	fields      TEXT    NOT NULL, -- JSON array of the index fields
	dropped     INTEGER NOT NULL, -- position and key of the last tombstone dropped, in the order of changes
	dropped_key TEXT    NOT NULL,
	log         TEXT    NOT NULL,
	incarnation INTEGER NOT NULL,
	position    INTEGER NOT NULL,
	last        INTEGER NOT NULL,
	last_id     TEXT    NOT NULL,
	UNIQUE (name, version)
) STRICT;
