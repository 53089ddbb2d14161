package main

import (
	"bytes"
	"testing"
)

// The short form of "make chaos-pg". Its moments are random; its output has the number that gives them again.
func TestALittleChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the shop, and kills it and its server")
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-rounds", "6", "-clients", "6"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

func TestTheCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{"-rounds", "0"}, {"-clients", "0"}, {"-nodes", "1"}, {"-shared", "5"}, {"-order", "sideways"}, {"more"}, {"-nothing"}, {"-shop", "/nowhere/shop"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
