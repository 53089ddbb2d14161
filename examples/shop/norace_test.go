//go:build !race

package main

// underRace says that the race detector is off: rounds are what the issue asks for, unless -short is given.
const underRace = false
