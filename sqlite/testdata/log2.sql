-- The log's database. Its version is PRAGMA user_version; schema.go knows which ones can be read.

-- One row: which log this is.
CREATE TABLE log (
	one         INTEGER PRIMARY KEY CHECK (one = 1),
	id          TEXT    NOT NULL, -- made once, random
	incarnation INTEGER NOT NULL, -- from 1; raised by restore, import and promotion
	began       INTEGER NOT NULL, -- the last position of the incarnation before
	created     INTEGER NOT NULL  -- microseconds since 1970, like all times here
) STRICT;

-- What many events share, under a small number.
CREATE TABLE kinds (
	id           INTEGER PRIMARY KEY,
	category     TEXT    NOT NULL,
	type         TEXT    NOT NULL,
	schema       INTEGER NOT NULL,
	content_type TEXT    NOT NULL,
	UNIQUE (category, type, schema, content_type)
) STRICT;

CREATE TABLE events (
	position INTEGER PRIMARY KEY, -- given out by the writer, without gaps
	stream   TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	kind     INTEGER NOT NULL,
	time     INTEGER NOT NULL,
	id       TEXT    NOT NULL,
	tags     TEXT,                -- separated by line feeds; NULL: none
	metadata BLOB,
	data     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_stream ON events (stream, version);
CREATE INDEX events_kind ON events (kind);

CREATE TABLE tags (
	tag      TEXT    NOT NULL,
	position INTEGER NOT NULL,
	PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

-- Outcomes of commands, in the order in which they were stored and so of time.
CREATE TABLE commands (
	seq      INTEGER PRIMARY KEY,
	id       TEXT    NOT NULL,
	hash     TEXT    NOT NULL,
	time     INTEGER NOT NULL,
	finished INTEGER,          -- when the effect that sent the command was finished
	position INTEGER NOT NULL,
	streams  TEXT    NOT NULL  -- lines of version, space, stream
) STRICT;
CREATE UNIQUE INDEX commands_id ON commands (id);

-- How far processes and reactors are.
CREATE TABLE parts (
	name        TEXT    PRIMARY KEY,
	kind        TEXT    NOT NULL,
	version     INTEGER NOT NULL,
	start       INTEGER NOT NULL, -- where it first started, exclusive
	live        INTEGER NOT NULL,
	log         TEXT    NOT NULL,
	incarnation INTEGER NOT NULL,
	position    INTEGER NOT NULL,
	last        INTEGER NOT NULL,
	last_id     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE part_states (
	part     TEXT    NOT NULL,
	key      TEXT    NOT NULL,
	position INTEGER NOT NULL,
	data     BLOB    NOT NULL,
	PRIMARY KEY (part, key)
) STRICT, WITHOUT ROWID;

-- Effects that wait to be carried out; timers are among them.
CREATE TABLE effects (
	id           TEXT    PRIMARY KEY,
	part         TEXT    NOT NULL,
	key          TEXT    NOT NULL,
	name         TEXT    NOT NULL,
	position     INTEGER NOT NULL,
	place        INTEGER NOT NULL,
	due          INTEGER NOT NULL,
	kind         TEXT    NOT NULL,
	stream       TEXT    NOT NULL,
	command_type TEXT    NOT NULL,
	correlation  TEXT    NOT NULL,
	causation    TEXT    NOT NULL,
	trace        TEXT    NOT NULL,
	command      BLOB
) STRICT;
CREATE INDEX effects_due ON effects (due, position, place, id, part);
CREATE INDEX effects_key ON effects (part, key, due, position, place, id);

-- Records that a process or reactor could not handle, and those of the same key that wait behind them.
CREATE TABLE parked (
	part     TEXT    NOT NULL,
	key      TEXT    NOT NULL,
	position INTEGER NOT NULL,
	time     INTEGER NOT NULL,
	error    TEXT    NOT NULL, -- empty: it waits
	folded   INTEGER NOT NULL, -- 1: effects of it were made before
	PRIMARY KEY (part, key, position)
) STRICT, WITHOUT ROWID;
