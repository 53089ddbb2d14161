module github.com/deed-es/deed/bench

go 1.26.0

require (
	github.com/deed-es/deed v0.0.0
	github.com/ncruces/go-sqlite3 v0.35.6
)

require (
	github.com/gofrs/flock v0.13.0 // indirect
	github.com/ncruces/go-sqlite3-wasm/v6 v6.3.35304 // indirect
	github.com/ncruces/julianday v1.0.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/deed-es/deed => ../
