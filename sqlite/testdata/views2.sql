-- Views, which can be built anew from the log at any time: those of the views' database, and in the log's own database the
-- inline ones. A view has a table of its own, view_ID, made by viewtable.go, or tables that its projection makes, tID_NAME.

CREATE TABLE views (
	id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never given out twice: it names the view's table
	name        TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	fields      TEXT    NOT NULL, -- JSON array of the index fields
	tables      TEXT    NOT NULL, -- JSON array of the statements that made its tables; empty: it has rows
	parked      INTEGER NOT NULL, -- how many keys are parked
	dropped     INTEGER NOT NULL, -- position and key of the last tombstone dropped, in the order of changes
	dropped_key TEXT    NOT NULL,
	log         TEXT    NOT NULL,
	incarnation INTEGER NOT NULL,
	position    INTEGER NOT NULL,
	last        INTEGER NOT NULL,
	last_id     TEXT    NOT NULL,
	UNIQUE (name, version)
) STRICT;

-- Records that a projection could not fold, and those of the same key that wait behind them.
CREATE TABLE view_parked (
	view     INTEGER NOT NULL,
	key      TEXT    NOT NULL,
	position INTEGER NOT NULL,
	time     INTEGER NOT NULL,
	error    TEXT    NOT NULL, -- empty: it waits
	folded   INTEGER NOT NULL, -- 1: effects of it were made before
	PRIMARY KEY (view, key, position)
) STRICT, WITHOUT ROWID;
