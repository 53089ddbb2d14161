-- What a schema of deed's holds: any number of logs, each with all that hangs on it. The tables are private to this package.
-- Times are microseconds since 1970; texts are ordered and compared by their bytes.

-- One row: which version of this file the schema is of.
CREATE TABLE @meta (
	one     boolean PRIMARY KEY CHECK (one),
	version integer NOT NULL
);

CREATE TABLE @logs (
	log         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- by which all else knows it
	name        text COLLATE "C" NOT NULL UNIQUE,
	id          text COLLATE "C" NOT NULL, -- made once, random
	incarnation bigint NOT NULL,           -- from 1; raised by restore, import and promotion
	began       bigint NOT NULL,           -- the last position of the incarnation before
	appending   text   NOT NULL,           -- in which order, serial or parallel; what hangs on it follows with the next append
	head        bigint NOT NULL,           -- the last position that may be read: all up to it is stored, or never will be
	time        bigint NOT NULL,           -- the last one recorded; parallel: when the head was moved
	kinds       integer NOT NULL,          -- how many there are
	created     bigint NOT NULL,
	base        bigint,                    -- parallel: a position is the sequence's next value and this; NULL: the head and one
	mark        bigint,                    -- the head again where there is a base: who knows of no base cannot move the head
	publisher   text COLLATE "C",          -- parallel: who moves the head
	publishing  bigint NOT NULL DEFAULT 0, -- until when, by the server's clock
	CONSTRAINT logs_mark CHECK ((base IS NULL) = (mark IS NULL) AND (mark IS NULL OR mark = head))
) WITH (fillfactor = 20);

-- What positions are made from in logs that are appended to in parallel. A session must not keep values: they are given out in order.
CREATE SEQUENCE @positions AS bigint CACHE 1;

-- What many events of a log share, under a small number.
CREATE TABLE @kinds (
	log          integer NOT NULL,
	id           integer NOT NULL,
	category     text COLLATE "C" NOT NULL,
	type         text COLLATE "C" NOT NULL,
	schema       integer NOT NULL,
	content_type text COLLATE "C" NOT NULL,
	PRIMARY KEY (log, id),
	UNIQUE (log, category, type, schema, content_type)
);

CREATE TABLE @events (
	log      integer NOT NULL,
	kind     integer NOT NULL,
	position bigint  NOT NULL, -- given out under the log's lock, without gaps
	version  bigint  NOT NULL,
	time     bigint  NOT NULL,
	stream   text COLLATE "C" NOT NULL,
	id       text COLLATE "C" NOT NULL,
	tags     text COLLATE "C", -- separated by line feeds; NULL: none
	metadata bytea,
	data     bytea NOT NULL,
	PRIMARY KEY (log, position),
	UNIQUE (log, stream, version)
);
CREATE INDEX events_kind ON @events (log, kind, position);

CREATE TABLE @tags (
	log      integer NOT NULL,
	position bigint  NOT NULL,
	tag      text COLLATE "C" NOT NULL,
	PRIMARY KEY (log, tag, position)
);

-- Outcomes of commands.
CREATE TABLE @commands (
	log      integer NOT NULL,
	id       text COLLATE "C" NOT NULL,
	hash     bytea   NOT NULL,
	time     bigint  NOT NULL,
	finished bigint,           -- when the effect that sent the command was finished
	position bigint  NOT NULL,
	streams  text COLLATE "C" NOT NULL, -- lines of version, space, stream
	PRIMARY KEY (log, id)
);
CREATE INDEX commands_time ON @commands (log, time);

-- How far processes and reactors are.
CREATE TABLE @parts (
	log             integer NOT NULL,
	name            text COLLATE "C" NOT NULL,
	kind            text    NOT NULL,
	version         integer NOT NULL,
	start           bigint  NOT NULL, -- where it first started, exclusive
	live            bigint  NOT NULL,
	mark_log         text COLLATE "C" NOT NULL,
	mark_incarnation bigint NOT NULL,
	position        bigint  NOT NULL,
	last            bigint  NOT NULL,
	last_id         text COLLATE "C" NOT NULL,
	PRIMARY KEY (log, name)
);

CREATE TABLE @part_states (
	log      integer NOT NULL,
	part     text COLLATE "C" NOT NULL,
	key      text COLLATE "C" NOT NULL,
	position bigint NOT NULL,
	data     bytea  NOT NULL,
	PRIMARY KEY (log, part, key)
);

-- Effects that wait to be carried out; timers are among them.
CREATE TABLE @effects (
	log          integer NOT NULL,
	place        integer NOT NULL,
	position     bigint  NOT NULL,
	due          bigint  NOT NULL,
	id           text COLLATE "C" NOT NULL,
	part         text COLLATE "C" NOT NULL,
	key          text COLLATE "C" NOT NULL,
	name         text COLLATE "C" NOT NULL,
	kind         text COLLATE "C" NOT NULL,
	stream       text COLLATE "C" NOT NULL,
	command_type text COLLATE "C" NOT NULL,
	correlation  text COLLATE "C" NOT NULL,
	causation    text COLLATE "C" NOT NULL,
	trace        text COLLATE "C" NOT NULL,
	command      bytea,
	PRIMARY KEY (log, id)
);
CREATE INDEX effects_due ON @effects (log, due, position, place, id);
CREATE INDEX effects_part ON @effects (log, part, due);
CREATE INDEX effects_key ON @effects (log, part, key, due, position, place, id);

-- Records that a process or reactor could not handle, and those of the same key that wait behind them.
CREATE TABLE @parked (
	log      integer NOT NULL,
	folded   boolean NOT NULL, -- effects of it were made before
	position bigint  NOT NULL,
	time     bigint  NOT NULL,
	part     text COLLATE "C" NOT NULL,
	key      text COLLATE "C" NOT NULL,
	error    bytea   NOT NULL, -- empty: it waits
	PRIMARY KEY (log, part, key, position)
);

-- Views, which can be built anew from the log at any time. Inline ones are folded in the appends' own transactions.
CREATE TABLE @views (
	view        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	log         integer NOT NULL,
	inline      boolean NOT NULL,
	name        text COLLATE "C" NOT NULL,
	version     integer NOT NULL,
	fields      bytea[] NOT NULL, -- the index fields' names
	tables      text    NOT NULL DEFAULT '', -- the statements that made its own tables, in JSON; these are named t, the view, and _
	parked      integer NOT NULL, -- how many keys are parked
	dropped     bigint  NOT NULL, -- position and key of the last tombstone dropped, in the order of changes
	dropped_key text COLLATE "C" NOT NULL,
	mark_log         text COLLATE "C" NOT NULL,
	mark_incarnation bigint NOT NULL,
	position    bigint  NOT NULL,
	last        bigint  NOT NULL,
	last_id     text COLLATE "C" NOT NULL,
	UNIQUE (log, inline, name, version)
) WITH (fillfactor = 50);

-- Rows, and as tombstones those that were removed.
CREATE TABLE @view_rows (
	view     bigint NOT NULL,
	position bigint NOT NULL,
	removed  bigint,          -- when; NULL: it is there
	key      text COLLATE "C" NOT NULL,
	data     bytea,
	PRIMARY KEY (view, key)
);
CREATE INDEX view_rows_position ON @view_rows (view, position, key);
CREATE INDEX view_rows_removed ON @view_rows (view, removed) WHERE removed IS NOT NULL;

-- The values of the rows' index fields, written so that their bytes are ordered as they are. What is longer than an index takes
-- is found by how it begins.
CREATE TABLE @view_values (
	view  bigint   NOT NULL,
	field smallint NOT NULL, -- from 1
	key   text COLLATE "C" NOT NULL,
	value bytea    NOT NULL,
	PRIMARY KEY (view, key, field)
);
CREATE INDEX view_values_value ON @view_values (view, field, substr(value, 1, 1000), key);

-- Records that a projection could not fold, and those of the same key that wait behind them.
CREATE TABLE @view_parked (
	view     bigint  NOT NULL,
	folded   boolean NOT NULL, -- effects of it were made before
	position bigint  NOT NULL,
	time     bigint  NOT NULL,
	key      text COLLATE "C" NOT NULL,
	error    bytea   NOT NULL, -- empty: it waits
	PRIMARY KEY (view, key, position)
);

-- The processes that share a log, as long as they are heard of.
CREATE TABLE @nodes (
	log   integer NOT NULL,
	until bigint  NOT NULL, -- by the server's clock
	id    text COLLATE "C" NOT NULL,
	name  text COLLATE "C" NOT NULL,
	wants text[]  NOT NULL, -- leases that it could have
	PRIMARY KEY (log, id)
) WITH (fillfactor = 50);

-- What one node at a time is to run. Rows stay, for their tokens.
CREATE TABLE @leases (
	log   integer NOT NULL,
	token bigint  NOT NULL, -- when it was taken last, or one more than before
	part  text COLLATE "C" NOT NULL,
	node  text COLLATE "C", -- NULL: nobody has it
	PRIMARY KEY (log, part)
) WITH (fillfactor = 50);

-- Which version of a view is read.
CREATE TABLE @view_read (
	log        integer NOT NULL,
	version    integer NOT NULL,
	partitions integer NOT NULL, -- each is a view
	inline     boolean NOT NULL,
	name       text COLLATE "C" NOT NULL,
	PRIMARY KEY (log, inline, name)
);
