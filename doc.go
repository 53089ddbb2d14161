// Package deed is the vocabulary of event-sourced services: events and commands, deciders that turn one into the other,
// projections that fold events into views, processes that turn them into further commands, and the service that runs them
// over a log. A service is written as plain values and pure functions; an engine (package sqlite and its like) stores.
//
// The users' page is everything but engine.go, engineviews.go and engineleases.go, which hold the contract between deed and its engines.
package deed
