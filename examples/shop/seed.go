package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/users"
)

// seedEmpty fills an empty store with sample data: orders of several customers, users, and campaigns, through the same
// commands as everyone's. The same number gives the same data.
func (s *shop) seedEmpty(ctx context.Context, out io.Writer) error {
	if s.seed == 0 {
		return nil
	}
	head, err := s.service.Head(ctx)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if head > 0 {
		fmt.Fprintln(out, "the store has data already: no sample data is added")
		return nil
	}
	seeds := &seeding{shop: s, ctx: ctx, random: rand.New(rand.NewPCG(1, 2)), bar: bar{out: out, total: s.seed}}
	if err := seeds.run(); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}

// seeding makes sample data. It is a caller of ordering.
type seeding struct {
	*shop
	ctx    context.Context
	random *rand.Rand
	bar    bar
	ids    int
	later  []deed.Effect // what is done to orders once the processes have seen them
}

// Context is what the data is made under.
func (s *seeding) Context() context.Context { return s.ctx }

// Command is the context of each command.
func (s *seeding) Command(string) context.Context { return s.ctx }

// NewID returns the same ids in every run.
func (s *seeding) NewID() string {
	s.ids++
	return deed.HashID("shop", "sample", strconv.Itoa(s.ids))
}

var (
	firstNames = []string{
		"Ann", "Bob", "Chloé", "Dmitri", "Emre", "Fatima", "Giulia", "Hiroshi", "Ines", "Jørgen",
		"Katarzyna", "Luís", "Mei", "Nils", "Olga", "Priya", "Quentin", "Rosa", "Søren", "Tove",
	}
	lastNames = []string{
		"Lee", "Ray", "Martin", "Ivanov", "Yıldız", "Haddad", "Rossi", "Tanaka", "Costa", "Holm",
		"Nowak", "Silva", "Chen", "Berg", "Petrova", "Patel", "Dubois", "García", "Lund", "Åkesson",
	}
	goods = []string{
		"green tea", "oolong tea", "teapot, cast iron", "cups, set of six", "kettle", "coffee, whole beans", "grinder", "filter papers",
		"honey", "tin box", "tray, walnut", "samovar", "matcha whisk", "gift card", "tea chest, antique",
	}
	places = []string{"", "Bern", "Lisbon", "Kraków", "Gothenburg", "Osaka", "Izmir"}
)

func (s *seeding) run() error {
	for i := range max(s.seed/10, 1) {
		if err := s.user(i); err != nil {
			return err
		}
	}
	for n := range s.seed {
		if err := s.order(n); err != nil {
			return err
		}
		s.bar.step(n + 1)
	}
	return s.finish()
}

func (s *seeding) user(i int) error {
	id := s.NewID()
	cmd := users.Create{FirstName: firstNames[i%len(firstNames)], LastName: lastNames[i*7%len(lastNames)]}
	if err := s.send(users.Decider.Send(id, cmd)); err != nil {
		return err
	}
	if i%7 == 6 {
		return s.send(users.Decider.Send(id, users.Delete{}))
	}
	return nil
}

// order places an order of one of the customers, of whom there are about an eighth as many.
func (s *seeding) order(n int) error {
	who := s.random.IntN(s.seed/8 + 1)
	first, last := firstNames[who%len(firstNames)], lastNames[(who/len(firstNames)+who*3)%len(lastNames)]
	order := NewOrder{
		Description: goods[s.random.IntN(len(goods))], Quantity: 1 + s.random.IntN(12),
		Email: fmt.Sprintf("customer%d@example.org", who+1), FirstName: first, LastName: last, Value: s.value(n),
	}
	owner, err := s.ordering.owner(s.ctx, order.Email)
	if err != nil {
		return err
	}
	id, _, err := s.ordering.place(s, order)
	if err != nil {
		return err
	}
	if owner == "" {
		if err := s.introduce(order.Email, who); err != nil {
			return err
		}
	}
	s.decideLater(id, n, order.Value)
	return nil
}

// value is mostly what is confirmed by itself; each seventh order waits, and each eleventh has to be priced.
func (s *seeding) value(n int) money.Amount {
	switch {
	case n%11 == 5:
		return money.Amount{}
	case n%7 == 3:
		return money.Cents(1000_01 + s.random.Int64N(5000_00))
	}
	return money.Cents(2_50 + s.random.Int64N(400_00))
}

// introduce says more about a customer who has just been registered.
func (s *seeding) introduce(email string, who int) error {
	id, err := s.ordering.owner(s.ctx, email)
	if err != nil {
		return err
	}
	if place := places[who%len(places)]; place != "" {
		if err := s.send(customers.Decider.Send(id, customers.Update{Location: &place})); err != nil {
			return err
		}
	}
	return s.send(customers.Decider.Send(id, customers.PermitEmail{Allowed: who%3 != 0}))
}

// decideLater chooses some of the orders that wait, to be priced, confirmed or cancelled.
func (s *seeding) decideLater(id string, n int, value money.Amount) {
	switch {
	case !orders.WaitsForConfirmation(value):
	case value.IsZero() && n%2 == 0:
		s.later = append(s.later, orders.Decider.Send(id, orders.Price{Value: money.Cents(99_00 + s.random.Int64N(900_00))}))
	case n%5 == 0:
		s.later = append(s.later, orders.Decider.Send(id, orders.Cancel{Reason: "no longer wanted"}))
	case !value.IsZero() && n%2 == 0:
		s.later = append(s.later, orders.Decider.Send(id, orders.Confirm{}))
	}
}

func (s *seeding) finish() error {
	if err := s.settle(); err != nil {
		return err
	}
	for _, command := range s.later {
		err := s.send(command)
		if refused := (*deed.RejectedError)(nil); err != nil && !errors.As(err, &refused) { // somebody else may have been at it
			return err
		}
	}
	if s.mailbox == nil { // sample mail is not for a mail server
		return nil
	}
	if err := s.settle(); err != nil {
		return err
	}
	return s.campaigns()
}

// settleWithin is how long the sample data waits for the processes, where others keep them busy.
const settleWithin = 10 * time.Second

func (s *seeding) settle() error {
	ctx, cancel := context.WithTimeout(s.ctx, settleWithin)
	defer cancel()
	if err := s.service.Settle(ctx); err != nil && (ctx.Err() == nil || s.ctx.Err() != nil) {
		return err
	}
	return nil
}

var sampleCampaigns = []campaigns.Create{
	{
		Name: "welcome to tea", Classification: customers.Bronze, Subject: "Ten bags of green tea with your next order",
		Body: "Dear customer,\n\nwith your next order we send you ten bags of our green tea.\n\nYour shop\n",
	},
	{
		Name: "spring harvest", Classification: customers.Silver, Subject: "The spring harvest is here",
		Body: "Dear customer,\n\nthe first oolong of the year has arrived. It will not last long.\n\nYour shop\n",
	},
	{
		Name: "tasting for friends", Classification: customers.Gold, Subject: "An evening with nine teas",
		Body: "Dear customer,\n\nwe would like to invite you to taste nine teas with us.\n\nYour shop\n",
	},
}

// campaigns makes a campaign for each class. The last is not started; some customers react to the others.
func (s *seeding) campaigns() error {
	for i, campaign := range sampleCampaigns {
		id := s.NewID()
		if err := s.send(campaigns.Decider.Send(id, campaign)); err != nil {
			return err
		}
		if i == len(sampleCampaigns)-1 {
			return nil
		}
		if err := s.send(campaigns.Decider.Send(id, campaigns.Start{})); err != nil {
			return err
		}
		if err := s.settle(); err != nil {
			return err
		}
		if err := s.react(id); err != nil {
			return err
		}
	}
	return nil
}

// reactions are of every so many customers that a mail was sent to.
var reactions = []struct {
	every int
	kind  string
}{{2, "opened"}, {4, "replied"}}

// react lets every second customer open a campaign's mail, and every fourth answer it.
func (s *seeding) react(campaign string) error {
	n := 0
	q := deed.Query{Stream: deed.Stream(campaigns.Decider.Category, campaign), Match: []deed.Match{{Types: []string{campaigns.EmailSent{}.EventType()}}}}
	for r, err := range s.service.Log().Read(s.ctx, q) {
		if err != nil {
			return err
		}
		var sent campaigns.EmailSent
		if err := json.Unmarshal(r.Data, &sent); err != nil {
			return err
		}
		n++
		for _, reaction := range reactions {
			if n%reaction.every != 0 {
				continue
			}
			if err := s.send(campaigns.Mailing.Send(campaign, campaigns.RecordReaction{CustomerID: sent.CustomerID, Kind: reaction.kind})); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *seeding) send(command deed.Effect) error {
	_, err := send(s.ctx, s.service, command)
	return err
}

// bar shows how far something is: a bar that grows on a terminal, a few lines elsewhere.
type bar struct {
	out   io.Writer
	total int
	shown int
}

const (
	barSteps  = 20
	lineSteps = 4
)

func (b *bar) step(done int) {
	most, terminal := lineSteps, isTerminal(b.out)
	if terminal {
		most = barSteps
	}
	steps := done * most / b.total
	if steps == b.shown {
		return
	}
	b.shown = steps
	if !terminal {
		fmt.Fprintf(b.out, "seeding: %d of %d orders\n", done, b.total)
		return
	}
	fmt.Fprintf(b.out, "\rseeding [%s%s] %d of %d orders", strings.Repeat("#", steps), strings.Repeat(".", most-steps), done, b.total)
	if done == b.total {
		fmt.Fprintln(b.out)
	}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
