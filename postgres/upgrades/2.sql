-- From version 1 to 2. Each statement must leave alone what a program of version 1 does that has the log open meanwhile.

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

-- When the next effect of some parts falls due.
CREATE INDEX effects_part ON @effects (log, part, due);

-- The order Parallel. A program of version 1 does not know it; the constraint keeps it from moving the head of a log in that order.
ALTER TABLE @logs
	ADD COLUMN base bigint,
	ADD COLUMN mark bigint,
	ADD COLUMN publisher text COLLATE "C",
	ADD COLUMN publishing bigint NOT NULL DEFAULT 0,
	ADD CONSTRAINT logs_mark CHECK ((base IS NULL) = (mark IS NULL) AND (mark IS NULL OR mark = head));

CREATE SEQUENCE @positions AS bigint CACHE 1;

-- Which version of a view is read.
CREATE TABLE @view_read (
	log        integer NOT NULL,
	version    integer NOT NULL,
	partitions integer NOT NULL, -- each is a view
	inline     boolean NOT NULL,
	name       text COLLATE "C" NOT NULL,
	PRIMARY KEY (log, inline, name)
);
INSERT INTO @view_read SELECT log, max(version), 1, inline, name FROM @views GROUP BY log, inline, name;

-- Views with tables of their own.
ALTER TABLE @views ADD COLUMN tables text NOT NULL DEFAULT '';
