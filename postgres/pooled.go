package postgres

import "github.com/jackc/pgx/v5"

// setUpPooled sees to it that connections to a pooler in transaction mode, as the URL says of them with a default_query_exec_mode
// other than pgx's own, have no statements with names: what is behind a connection changes with each transaction. Of the modes
// that need none, the one that knows the types of parameters is taken, in a round trip as before.
func setUpPooled(c *pgx.ConnConfig) (pooled bool) {
	if c.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		return false
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if c.DescriptionCacheCapacity == 0 {
		c.DescriptionCacheCapacity = describedStatements
	}
	return true
}

// So many statements' parameters are remembered for each connection, as pgx does unless told otherwise.
const describedStatements = 512
