//go:build race

package main

// underRace says that the race detector slows everything down, so that rounds are fewer.
const underRace = true
