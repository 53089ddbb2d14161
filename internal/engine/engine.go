// Package engine has what the storage engines do alike, whatever they store in: how batches wait for the one who writes, how
// readers are served and woken, and what of a call can be checked before anything is stored. An engine imports deed, its driver
// and this package; no engine imports another.
//
// Its bounds are those of the contract: docs/engines.md.
package engine
