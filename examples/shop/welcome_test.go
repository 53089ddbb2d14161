package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/deed-es/deed/examples/shop/users"
)

const ann = `{"firstName":"Ann","lastName":"Lee"}`

func (c *client) user() string {
	c.t.Helper()
	return decode[userAnswer](c.t, c.expect(c.do("POST", "/v1/users", ann), 201, "")).ID
}

// awaitWelcome waits until a user is welcomed, and fails unless that was soon.
func (c *client) awaitWelcome(id string, within time.Duration) {
	c.t.Helper()
	row := decode[users.Row](c.t, c.await("/v1/users/"+id, func(a answer) bool {
		return a.status == 200 && !decode[users.Row](c.t, a).WelcomedAt.IsZero()
	}))
	created, err := time.Parse(time.RFC3339Nano, row.CreatedAt)
	if err != nil {
		c.t.Fatal(err)
	}
	if took := row.WelcomedAt.Sub(created); took < users.WelcomeDelay || took > within {
		c.t.Errorf("welcomed after %v", took)
	}
}

func (c *client) welcomes(id string) int {
	c.t.Helper()
	n := 0
	for _, r := range c.log("type=user-welcomed") {
		if r.Stream == "user-"+id {
			n++
		}
	}
	return n
}

func TestAUserIsWelcomedOnceWithinThreeSeconds(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	deleted := c.user()
	c.expect(c.do("DELETE", "/v1/users/"+deleted, ""), 204, "")
	id := c.user()
	c.awaitWelcome(id, 3*time.Second)
	if n := c.welcomes(id); n != 1 {
		t.Errorf("welcomed %d times", n)
	}
	if n := c.welcomes(deleted); n != 0 { // it would have been due before the other's
		t.Errorf("welcomed %d times after being deleted", n)
	}
}

func TestAUserIsWelcomedOnceThoughTheShopIsKilled(t *testing.T) {
	data := t.TempDir()
	c, cmd := startChild(t, "-data", data)
	id, deleted := c.user(), c.user()
	c.expect(c.do("DELETE", "/v1/users/"+deleted, ""), 204, "")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	c, cmd = startChild(t, "-data", data)
	c.awaitWelcome(id, patience) // how long the restart takes is not the shop's
	last := c.user()
	c.awaitWelcome(last, 3*time.Second)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	c, _ = start(t, "-data", data)
	c.awaitWelcome(c.user(), 3*time.Second)
	for user, want := range map[string]int{id: 1, last: 1, deleted: 0} {
		if n := c.welcomes(user); n != want {
			t.Errorf("user %s was welcomed %d times, want %d", user, n, want)
		}
	}
	if files, err := filepath.Glob(filepath.Join(data, "shop*.db")); err != nil || len(files) != 2 {
		t.Errorf("the data are %v, %v", files, err)
	}
}
