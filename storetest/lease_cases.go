package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// leaseCases are the promises of deed.LeaseStore.
func leaseCases() []leaseCase {
	return append([]leaseCase{
		{"a beat says that a node is there", beatAlone},
		{"a lease that nobody has is taken", freeIsTaken},
		{"a lease that another has is not taken", heldStays},
		{"of nodes that take the same lease at once exactly one has it", nodesContest},
		{"a beat renews the node's leases and keeps their tokens", renewedStays},
		{"a lease that was given back can be taken, with a greater token", givenIsTaken},
		{"a node gives back only what is its own", ownIsGiven},
		{"a lease that is given back and taken in one beat has a greater token", givenAndTaken},
		{"a node that leaves gives back all", leaverGivesAll},
		{"a node that was not heard of within its time is gone, and so are its leases", silentIsGone},
		{"a lease is not taken before its time has passed", notBeforeItsTime},
		{"a node that comes back late has lost its leases, though nobody took them", lateHasLost},
		{"nodes, leases and tokens outlive the opening again", leasesOutliveReopen},
		{"a token is greater than all before, whoever had the lease and however it was lost", tokensGrow},
		{"leases of two logs have nothing in common", logsAreApart},
		{"what a node wants is told as it was said last", wantsAreTold},
		{"nodes come in the order of their ids, leases in that of their parts", fleetInOrder},
		{"ids, names and parts may be long and in any script", longNames},
		{"a beat that is not valid is refused and changes nothing", invalidBeats},
	}, fenceCases()...)
}

func beatAlone(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	f := n[0].beat(deed.Beat{Wants: []string{"mailer"}})
	if got := fleetOf(f); got != "n-1[mailer]" || f.Nodes[0].Name != "name of n-1" {
		b.Errorf("the fleet is %s, with %+v", got, f.Nodes)
	}
	if got := fleetOf(n[1].beat(deed.Beat{})); got != "n-1[mailer] n-2[]" {
		b.Errorf("with another node the fleet is %s", got)
	}
}

func freeIsTaken(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	f := n[0].beat(deed.Beat{Take: []string{"mailer", "biller", "mailer"}})
	n[0].has(f, "mailer")
	n[0].has(f, "biller")
	if got := fleetOf(n[1].beat(deed.Beat{})); got != "n-1[] n-2[] biller@n-1 mailer@n-1" {
		b.Errorf("the fleet is %s", got)
	}
}

func heldStays(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	first := n[0].takes("mailer")
	for range 3 {
		f := n[1].beat(deed.Beat{Take: []string{"mailer", "biller"}})
		n[1].has(f, "biller")
		if l := n[0].has(f, "mailer"); l != first {
			b.Fatalf("the lease is %+v, and was %+v", l, first)
		}
	}
}

func nodesContest(b *leaseBed) {
	n := b.nodes("n-1", "n-2", "n-3", "n-4", "n-5", "n-6")
	var last int64
	for round := range scaled(200) {
		var guard sync.Mutex
		var winners []*member
		b.crowd(len(n), func(i int) error {
			f, err := n[i].try(deed.Beat{Take: []string{"mailer"}})
			if l, _ := heldIn(f, "mailer"); l.Node == n[i].id {
				guard.Lock()
				defer guard.Unlock()
				winners = append(winners, n[i])
			}
			return err
		})
		if len(winners) != 1 {
			b.Fatalf("round %d: %d nodes have the lease", round, len(winners))
		}
		l := winners[0].has(winners[0].beat(deed.Beat{}), "mailer")
		if l.Token <= last {
			b.Fatalf("round %d: the token is %d after %d", round, l.Token, last)
		}
		last = l.Token
		winners[0].beat(deed.Beat{Give: []string{"mailer"}})
	}
}

func renewedStays(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	for span := short; ; span *= 2 {
		first := n[0].has(n[0].beat(deed.Beat{For: span, Take: []string{"mailer"}}), "mailer")
		f := n[0].beat(deed.Beat{Take: []string{"mailer"}})
		if l := n[0].has(f, "mailer"); l != first {
			if span < time.Minute { // it was slower than that
				continue
			}
			b.Fatalf("the lease is %+v, and was %+v", l, first)
		}
		since := time.Now()
		b.until("its first time has passed", func() bool {
			n[1].lacks(n[1].beat(deed.Beat{Take: []string{"mailer"}}), "mailer", "n-1")
			return time.Since(since) > 2*span
		})
		if l := n[0].has(n[0].beat(deed.Beat{}), "mailer"); l != first {
			b.Fatalf("the lease is %+v, and was %+v", l, first)
		}
		return
	}
}

func givenIsTaken(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	n[0].takes("biller")
	first := n[0].takes("mailer")
	if got := fleetOf(n[0].beat(deed.Beat{Give: []string{"mailer"}})); got != "n-1[] biller@n-1" {
		b.Fatalf("with the lease given back the fleet is %s", got)
	}
	second := n[1].takes("mailer")
	n[1].beat(deed.Beat{Give: []string{"mailer"}})
	third := n[1].takes("mailer")
	if second.Token <= first.Token || third.Token <= second.Token {
		b.Errorf("the tokens are %d, %d, %d", first.Token, second.Token, third.Token)
	}
}

func ownIsGiven(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	first := n[0].takes("mailer")
	f := n[1].beat(deed.Beat{Give: []string{"mailer", "nobody-s", "mailer"}, Take: []string{"mailer"}})
	if l := n[0].has(f, "mailer"); l != first {
		b.Errorf("the lease is %+v, and was %+v", l, first)
	}
}

func givenAndTaken(b *leaseBed) {
	n := b.nodes("n-1")
	first := n[0].takes("mailer")
	again := n[0].has(n[0].beat(deed.Beat{Give: []string{"mailer"}, Take: []string{"mailer"}}), "mailer")
	if again.Token <= first.Token {
		b.Errorf("the token is %d after %d", again.Token, first.Token)
	}
}

func leaverGivesAll(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	first := n[0].takes("mailer")
	n[0].takes("biller")
	n[1].takes("writer")
	if got := fleetOf(n[0].leave()); got != "n-2[] writer@n-2" {
		b.Fatalf("the fleet that it leaves is %s", got)
	}
	if got := fleetOf(n[1].beat(deed.Beat{})); got != "n-2[] writer@n-2" {
		b.Fatalf("without it the fleet is %s", got)
	}
	n[0].leave()
	n[1].takes("biller")
	if l := n[1].takes("mailer"); l.Token <= first.Token {
		b.Errorf("the token is %d after %d", l.Token, first.Token)
	}
}

func silentIsGone(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	first := n[0].has(n[0].beat(deed.Beat{For: short, Take: []string{"mailer", "biller"}}), "mailer")
	var f deed.Fleet
	b.until("the silent node is gone", func() bool {
		f = n[1].beat(deed.Beat{})
		return !isThere(f, "n-1")
	})
	if got := fleetOf(f); got != "n-2[]" {
		b.Fatalf("without the silent node the fleet is %s", got)
	}
	if l := n[1].takes("mailer"); l.Token <= first.Token {
		b.Errorf("the token is %d after %d", l.Token, first.Token)
	}
}

func notBeforeItsTime(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	const span = 8 * short
	since := time.Now()
	n[0].has(n[0].beat(deed.Beat{For: span, Take: []string{"mailer"}}), "mailer")
	b.until("the lease can be taken", func() bool {
		l, _ := heldIn(n[1].beat(deed.Beat{Take: []string{"mailer"}}), "mailer")
		return l.Node == "n-2"
	})
	if waited := time.Since(since); waited < span-short {
		b.Errorf("a lease for %v was taken after %v", span, waited)
	}
}

func lateHasLost(b *leaseBed) {
	n := b.nodes("n-1", "n-2")
	b.standAt(0)
	first := n[0].has(n[0].beat(deed.Beat{For: short, Take: []string{"mailer"}}), "mailer")
	b.passes(4 * short)
	f := n[0].beat(deed.Beat{})
	if n[0].lacks(f, "mailer", ""); !isThere(f, "n-1") {
		b.Fatalf("the late node is not there: %s", fleetOf(f))
	}
	b.fenced(first, 0)
	again := n[0].takes("mailer")
	if again.Token <= first.Token {
		b.Errorf("the token is %d after %d", again.Token, first.Token)
	}
	b.fenced(first, 0)
	b.stored(again, 0)
}

func leasesOutliveReopen(b *leaseBed) {
	n := b.nodes("n-1")
	n[0].beat(deed.Beat{Wants: []string{"mailer"}})
	first := n[0].takes("mailer")
	given := n[0].takes("biller")
	n[0].beat(deed.Beat{Give: []string{"biller"}, Wants: []string{"mailer"}})
	b.reopenAll()
	n = b.nodes("n-1", "n-2")
	f := n[1].beat(deed.Beat{Take: []string{"mailer", "biller"}})
	if got := fleetOf(f); got != "n-1[mailer] n-2[] biller@n-2 mailer@n-1" {
		b.Fatalf("after the opening again the fleet is %s", got)
	}
	if l := n[0].has(f, "mailer"); l != first {
		b.Errorf("the lease is %+v, and was %+v", l, first)
	}
	if l := n[1].has(f, "biller"); l.Token <= given.Token {
		b.Errorf("the token is %d after %d", l.Token, given.Token)
	}
}

func tokensGrow(b *leaseBed) {
	var last int64
	for round := range 9 {
		b.reopenAll()
		m := b.nodes(fmt.Sprint("n-", round))[0]
		var f deed.Fleet
		b.until("the lease can be taken", func() bool {
			f = m.beat(deed.Beat{For: long, Take: []string{"mailer"}})
			l, _ := heldIn(f, "mailer")
			return l.Node == m.id
		})
		l := m.has(f, "mailer")
		if l.Token <= last {
			b.Fatalf("round %d: the token is %d after %d", round, l.Token, last)
		}
		last = l.Token
		switch round % 3 {
		case 0:
			m.leave()
		case 1:
			m.beat(deed.Beat{Give: []string{"mailer"}})
		default:
			m.beat(deed.Beat{For: time.Nanosecond})
		}
	}
}

func logsAreApart(b *leaseBed) {
	apart := b.open(Config{Dir: b.TempDir(), Clock: b.clock})
	b.Cleanup(func() {
		if err := closeStore(apart); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	here := b.nodes("n-1")[0]
	there := &member{b, b.leased(apart), "n-1"}
	first := here.takes("mailer")
	there.takes("biller")
	there.leave()
	there.id = "n-2"
	f := there.beat(deed.Beat{Take: []string{"mailer"}})
	if got := fleetOf(f); got != "n-2[] mailer@n-2" {
		b.Errorf("the other log's fleet is %s", got)
	}
	f = here.beat(deed.Beat{})
	if got := fleetOf(f); got != "n-1[] mailer@n-1" {
		b.Errorf("the log's fleet is %s", got)
	}
	if l := here.has(f, "mailer"); l != first {
		b.Errorf("the lease is %+v, and was %+v", l, first)
	}
}
