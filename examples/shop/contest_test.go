package main

import (
	"fmt"
	"sync"
	"testing"
)

// 64 clients register one e-mail address at once; exactly one gets it.
func TestOneOfManyGetsTheAddress(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	all := rounds(200, 40)
	for round := range all {
		answers := c.together(64, func(n int) (answer, error) {
			path := fmt.Sprintf("/api/commands/customer/%d-%d/register", round, n)
			return c.call("POST", path, fmt.Sprintf(`{"email":"race%d@example.org","firstName":"R","lastName":"%d"}`, round, n))
		})
		won := 0
		for _, a := range answers {
			if a.status == 200 {
				won++
				continue
			}
			c.expect(a, 409, "email-taken")
		}
		if won != 1 {
			t.Fatalf("round %d: %d clients got the address", round, won)
		}
	}
	t.Logf("one of 64 clients got the address in %d of %d rounds", all, all)
}

// 64 clients order at once for an e-mail address that nobody has yet: all get their order, of one customer.
func TestOrdersThatRaceForACustomerShareIt(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	const clients = 64
	all := rounds(20, 3)
	for round := range all {
		answers := c.together(clients, func(n int) (answer, error) {
			return c.call("POST", "/orders", fmt.Sprintf(`{"description":"tea","quantity":1,"email":"race%d@example.org","firstName":"R","lastName":"%d"}`, round, n))
		})
		for _, a := range answers {
			c.expect(a, 201, "")
		}
	}
	if n := len(c.log("type=customer-registered")); n != all {
		t.Errorf("%d customers, want %d", n, all)
	}
	if n := len(c.log("type=order-placed")); n != all*clients {
		t.Errorf("%d orders, want %d", n, all*clients)
	}
}

// together calls f from many goroutines at once.
func (c *client) together(clients int, f func(n int) (answer, error)) []answer {
	c.t.Helper()
	answers, errs := make([]answer, clients), make([]error, clients)
	begin := make(chan struct{})
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() {
			<-begin
			answers[n], errs[n] = f(n)
		})
	}
	close(begin)
	group.Wait()
	for _, err := range errs {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return answers
}
