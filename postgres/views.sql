-- What others may query: unlike the tables, these keep their columns. A change that takes one away or makes something else of it is
-- a view with another number beside them.

-- The events of all logs, as far as readers see them. The last columns are NULL where an event has no such thing; json is the data
-- of events whose content type is application/json.
CREATE OR REPLACE VIEW @events_v1 AS
SELECT l.name AS log, e.position, e.stream, k.category, e.version, k.type, k.schema, k.content_type, e.id,
	timestamptz '1970-01-01 00:00:00+00' + e.time * interval '1 microsecond' AS recorded,
	coalesce(string_to_array(e.tags, chr(10)), '{}') AS tags, e.data,
	CASE WHEN k.content_type = 'application/json' AND position('\x00'::bytea IN e.data) = 0 THEN convert_from(e.data, 'UTF8') END AS json,
	t.metadata, m.written ->> 'correlation' AS correlation, m.written ->> 'causation' AS causation, m.written ->> 'actor' AS actor
FROM @logs l JOIN @events e ON e.log = l.log AND e.position <= l.head JOIN @kinds k ON k.log = e.log AND k.id = e.kind
	CROSS JOIN LATERAL (SELECT CASE WHEN position('\x00'::bytea IN e.metadata) = 0 THEN convert_from(e.metadata, 'UTF8') END AS metadata) t
	-- Only what has the form in which deed writes metadata is taken for JSON: nothing else may make a query fail.
	CROSS JOIN LATERAL (SELECT CASE WHEN t.metadata ~ '^\{(?:"[a-z]+":"(?:[^"\\\u0001-\u001f]|\\["\\/bfnrt]|\\u00(?:0[1-9a-fA-F]|[1-7][0-9a-fA-F])|\\u202[89]|\\ufffd)*"(?:,(?=")|(?=\})))*\}$'
		THEN t.metadata::json END AS written) m;

-- How far processes, reactors and views are, and how far behind their log.
CREATE OR REPLACE VIEW @checkpoints_v1 AS
SELECT l.name AS log, p.kind, p.name, p.version, p.position, greatest(l.head - p.position, 0) AS lag,
	(SELECT count(DISTINCT k.key) FROM @parked k WHERE k.log = p.log AND k.part = p.name) AS parked
FROM @logs l JOIN @parts p ON p.log = l.log
UNION ALL
SELECT l.name, CASE WHEN v.inline THEN 'inline view' ELSE 'view' END, v.name, v.version, v.position, greatest(l.head - v.position, 0), v.parked
FROM @logs l JOIN @views v ON v.log = l.log;
