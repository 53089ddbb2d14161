package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

func wantsAreTold(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	for _, wants := range [][]string{
		{"mailer"},
		{"writer", "mailer", "biller"},
		nil,
		{`a "quoted" one`, `a\b`, "{a,b}", "NULL", "a,b", "'", " "},
	} {
		n[0].beat(deed.Beat{Wants: wants})
		for _, m := range n {
			f := m.beat(deed.Beat{Wants: map[string][]string{"n-1": wants}[m.id]})
			if got := f.Nodes[0].Wants; !slices.Equal(got, wants) {
				b.Fatalf("the node wants %q, want %q", got, wants)
			}
		}
	}
}

// inOrder are words in the order of their bytes, which is not that of any language.
var inOrder = []string{"B", "a", "a b", "a-b", "a.b", "ab", "a~", "b", "Ä", "é", "日本"}

func fleetInOrder(b *leaseBed) {
	m := b.nodes("a")[0]
	shuffled := []string{"日本", "b", "a-b", "B", "é", "ab", "a~", "a", "a.b", "Ä", "a b"}
	var f deed.Fleet
	for _, word := range shuffled {
		m.id = word
		f = m.beat(deed.Beat{Take: []string{word}})
	}
	var ids, parts []string
	for _, n := range f.Nodes {
		ids = append(ids, n.ID)
	}
	for _, l := range f.Leases {
		parts = append(parts, l.Part)
	}
	if !slices.Equal(ids, inOrder) || !slices.Equal(parts, inOrder) {
		b.Errorf("the nodes are %q, the leases %q, want %q", ids, parts, inOrder)
	}
}

func longNames(b *leaseBed) {
	store := b.leased(b.store)
	for _, word := range []string{strings.Repeat("n", 255), strings.Repeat("é", 127), strings.Repeat("日", 85), `"`, `\`, "{}"} {
		f, err := store.Beat(b.ctx, deed.Beat{Node: word, Name: word, For: long, Wants: []string{word}, Take: []string{word}})
		if err != nil {
			b.Fatalf("a beat of %q: %v", word, err)
		}
		i := slices.IndexFunc(f.Nodes, func(n deed.Node) bool { return n.ID == word && n.Name == word && slices.Equal(n.Wants, []string{word}) })
		l, held := heldIn(f, word)
		if i < 0 || !held || l.Node != word {
			b.Fatalf("the node %q is %d of %+v, and its lease %+v", word, i, f.Nodes, l)
		}
		b.part("mailer", 1)
		if word == "{}" {
			b.commit(b.underLease(l.Lease, 0))
		}
	}
}

func invalidBeats(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	first := n[0].takes("mailer")
	valid := deed.Beat{Node: "n-2", Name: "name", For: long, Take: []string{"biller"}}
	for what, alter := range map[string]func(beat *deed.Beat){
		"no node":           func(beat *deed.Beat) { beat.Node = "" },
		"a node's id":       func(beat *deed.Beat) { beat.Node = "n\x00" },
		"a name":            func(beat *deed.Beat) { beat.Name = "n\nm" },
		"a name that lasts": func(beat *deed.Beat) { beat.Name = strings.Repeat("n", 256) },
		"a negative time":   func(beat *deed.Beat) { beat.For = -time.Nanosecond },
		"an empty want":     func(beat *deed.Beat) { beat.Wants = []string{"mailer", ""} },
		"a want":            func(beat *deed.Beat) { beat.Wants = []string{"\xff"} },
		"what is given":     func(beat *deed.Beat) { beat.Give = []string{"a/b"} },
		"what is taken":     func(beat *deed.Beat) { beat.Take = []string{"biller", strings.Repeat("n", 256)} },
	} {
		beat := valid
		alter(&beat)
		if f, err := n[1].store.Beat(b.ctx, beat); !isInvalid(err) {
			b.Fatalf("%s that is not valid: %v, want an *InvalidError; the fleet is %s", what, err, fleetOf(f))
		}
	}
	f := n[0].beat(deed.Beat{})
	if got := fleetOf(f); got != "n-1[] mailer@n-1" || n[0].has(f, "mailer") != first {
		b.Errorf("the fleet is %s", got)
	}
}
