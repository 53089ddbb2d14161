package deed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// viewVersions are the versions of a view that this service keeps, side by side in one store, of which one is read.
type viewVersions struct {
	name      string
	store     ViewStore // that of all of them
	known     map[ViewVersion]rawView
	newest    ViewVersion
	mu        sync.Mutex
	last      ViewVersion // that was read when somebody looked
	following map[context.Context]follower
	single    bool // Inline or Live: there is no other, and what the store says does not count
}

// addVersion makes a version of a view known by its name.
func (s *Service) addVersion(name string, version ViewVersion, view rawView, single bool) {
	v := s.views[name]
	if v == nil {
		v = &viewVersions{name: name, store: view.store, known: map[ViewVersion]rawView{}, single: single}
		s.views[name] = v
		if !single {
			s.openings = append(s.openings, func(ctx context.Context) error { return s.beginVersions(ctx, v) })
		}
	}
	view.store = whole(view.store, version.Partitions, view.index)
	v.known[version] = view
	if v.newest.Version <= version.Version {
		v.newest = version
	}
}

// nameView takes a projection's name. Several versions of one may have the same.
func (s *Service) nameView(name string, version ViewVersion, single bool) error {
	v := s.views[name]
	if v == nil {
		return s.name(kindProjection, name)
	}
	for known := range v.known {
		if single || v.single || known.Version == version.Version {
			return fmt.Errorf("projection %s: there is one already; only Async ones may share a name, each with a Version of its own", name)
		}
	}
	return nil
}

// beginVersions has a version be read, if the store does not say yet which is: the one that was switched to last, or else the first.
func (s *Service) beginVersions(ctx context.Context, v *viewVersions) error {
	read, err := v.store.ViewRead(ctx, v.name)
	if err == nil && read == (ViewVersion{}) {
		var first ViewVersion
		if first, err = s.firstRead(ctx, v); err == nil {
			err = v.store.ReadView(ctx, v.name, read, first)
		}
	}
	if err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrReadOnly) { // somebody else was first, or is to say it
		return fmt.Errorf("projection %s: %w", v.name, err)
	}
	return nil
}

// firstRead is the version to be read where the store of views does not know: it can be thrown away, what was said cannot.
func (s *Service) firstRead(ctx context.Context, v *viewVersions) (ViewVersion, error) {
	first := v.newest
	for known := range v.known {
		if known.Version < first.Version {
			first = known
		}
	}
	if s.engine == nil {
		return first, nil
	}
	match := Match{Types: []string{typeSwitched}, Tags: codecTags(s.codec(), []string{partTag(v.name)})}
	for r, err := range s.engine.Read(ctx, Query{Match: []Match{match}, Backward: true, Limit: 1}) {
		if err != nil {
			return first, err
		}
		last, err := decodeControl(ctx, s.codec(), r)
		if err != nil {
			return first, err
		}
		if _, to, err := v.version("version", last.Version); err == nil {
			return to, nil
		}
	}
	return first, nil
}

// reading returns what is read by the view's name, and which version that is.
func (v *viewVersions) reading(ctx context.Context) (rawView, ViewVersion, error) {
	if v.single {
		return v.known[v.newest], v.newest, nil
	}
	read, err := v.store.ViewRead(ctx, v.name)
	v.mu.Lock()
	switch {
	case err == nil:
		v.last = read
	case ctx.Err() != nil: // who does not wait is told by the view how far it is
		read, err = v.last, nil
	}
	v.mu.Unlock()
	if err != nil || read == (ViewVersion{}) {
		return v.known[v.newest], v.newest, err
	}
	view, known := v.known[read]
	if !known {
		view = v.known[v.newest]
		view.ref.Version, view.store = read.Version, whole(v.store, read.Partitions, view.index)
	}
	return view, read, nil
}

// refs are the views that a version is made of.
func (v *viewVersions) refs(version ViewVersion) []ViewRef {
	var refs []ViewRef
	for _, part := range partitions(version.Partitions) {
		refs = append(refs, ViewRef{Name: part.name(v.name), Version: version.Version})
	}
	return refs
}

// wanted tells whether some node of the fleet can keep a view. While nobody knows, it is taken for wanted.
func (f *fleet) wanted(view ViewRef) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	lease := leaseOf(view.Name, view.Version)
	return len(f.last.Nodes) == 0 || slices.ContainsFunc(f.last.Nodes, func(n Node) bool { return slices.Contains(n.Wants, lease) })
}

// keeps tells whether a view is kept up to date, by this service or another node.
func (s *Service) keeps(v *viewVersions, version ViewVersion) bool {
	f := s.fleet(v.store)
	if _, known := v.known[version]; known && (f == nil || s.has(RoleProjections)) {
		return true
	}
	return f != nil && slices.ContainsFunc(v.refs(version), f.wanted)
}

const (
	versionsEvery = time.Second
	switchWithin  = time.Second // a version that is read under load is never quite at the head
)

// tendVersions has new versions of views be read in place of those that nobody keeps any more, until ctx is done.
func (s *Service) tendVersions(ctx context.Context) {
	for ctx.Err() == nil {
		if err := guard(func() error { return s.promote(ctx) }); err != nil && ctx.Err() == nil {
			s.logger.Warn("could not look after the versions of views, and will try again", "error", err)
		}
		if pause(ctx, versionsEvery) != nil {
			return
		}
	}
}

// promote has the newest version of a view be read where nobody keeps the one that is, once it has caught up and lacks nothing, and takes away
// versions that nobody reads or keeps. In a fleet a higher version has its time before that.
func (s *Service) promote(ctx context.Context) error {
	var errs []error
	for _, v := range s.views {
		if v.single {
			continue
		}
		read, err := v.store.ViewRead(ctx, v.name)
		if err == nil {
			v.tell(read)
		}
		if err == nil && s.has(RoleProjections) && s.abandoned(v.refs(read)[0], s.keeps(v, read), v.newest.Version, s.fleet(v.store)) {
			err = s.supersede(ctx, v, read)
		}
		if err != nil && !errors.Is(err, ErrBehind) && !errors.Is(err, ErrConflict) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.dropOld(ctx))...)
}

func (s *Service) supersede(ctx context.Context, v *viewVersions, read ViewVersion) error {
	view := v.known[v.newest]
	if err := s.caughtUp(ctx, view); err != nil {
		return err
	}
	parked, err := view.store.ViewParked(ctx, view.ref, "", 1)
	if err != nil || len(parked) > 0 {
		return err
	}
	if err := v.store.ReadView(ctx, v.name, read, v.newest); err != nil {
		return err
	}
	v.tell(v.newest)
	s.logger.Info("a new version of a view is read", "view", v.name, "version", v.newest.Version, "before", read.Version)
	return nil
}

// caughtUp returns nil if a view reaches within a moment where the log ends now; else a *BehindError.
func (s *Service) caughtUp(ctx context.Context, view rawView) error {
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, switchWithin)
	defer cancel()
	_, err = view.store.WaitView(ctx, view.ref, head)
	return err
}

// dropOld takes away the versions of this service's views that are neither read nor kept by anybody.
func (s *Service) dropOld(ctx context.Context) error {
	if s.config.Views == nil || !s.has(RoleProjections) {
		return nil
	}
	refs, err := s.config.Views.ListViews(ctx)
	if err != nil {
		return err
	}
	s.unkept.limit(refs)
	var errs []error
	for _, ref := range refs {
		old, err := s.isOld(ctx, ref)
		if err == nil && old {
			s.logger.Info("a version of a view that nobody keeps or reads is taken away", "view", ref.Name, "version", ref.Version)
			err = s.config.Views.DropView(ctx, ref)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *Service) isOld(ctx context.Context, ref ViewRef) (bool, error) {
	name := partOf(ref.Name)
	f := s.fleet(s.config.Views)
	if tables, ok := s.tables[name]; ok {
		return ref != tables.ref && s.forsaken(ref, tables.ref.Version, f), nil
	}
	v := s.views[name]
	if v == nil || v.single {
		return false, nil
	}
	for known := range v.known {
		if slices.Contains(v.refs(known), ref) {
			return false, nil
		}
	}
	read, err := v.store.ViewRead(ctx, name)
	if err != nil || slices.Contains(v.refs(read), ref) {
		return false, err
	}
	return s.forsaken(ref, read.Version, f), nil
}

var errSwitched = errors.New("another version is read")

// whileRead returns a context that ends when another version of a view is read, as far as this node knows.
func (v *viewVersions) whileRead(ctx context.Context, version ViewVersion) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if v.single {
		return ctx, func() { cancel(nil) }
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.following == nil {
		v.following = map[context.Context]follower{}
	}
	v.following[ctx] = follower{version, cancel}
	return ctx, func() {
		cancel(nil)
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.following, ctx)
	}
}

// switched tells whether another version of the view is read than this one.
func (v *viewVersions) switched(ctx context.Context, version ViewVersion) bool {
	if v.single {
		return false
	}
	_, read, err := v.reading(ctx)
	return err == nil && read != version
}

// tell ends what follows another version than the one that is read.
func (v *viewVersions) tell(read ViewVersion) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range v.following {
		if f.version != read {
			f.cancel(errSwitched)
		}
	}
}

// follower is who follows the changes of a version.
type follower struct {
	version ViewVersion
	cancel  context.CancelCauseFunc
}

// version returns a version of a view that this service keeps; field is what is at fault if it does not.
func (v *viewVersions) version(field string, number int) (rawView, ViewVersion, error) {
	for version, view := range v.known {
		if version.Version == number {
			return view, version, nil
		}
	}
	var kept []int
	for version := range v.known {
		kept = append(kept, version.Version)
	}
	slices.Sort(kept)
	return rawView{}, ViewVersion{}, invalid(field, fmt.Sprintf("this service keeps %v of view %s, not %d", kept, v.name, number))
}

// Comparison is how the rows of two versions of a view compare; see Views.Compare.
type Comparison struct {
	Left, Right int // the versions
	Same        int // rows with the same value in both
	Different   int
	OnlyLeft    int
	OnlyRight   int
	Moving      int // keys that differ, and that could not be read in both as they were at one position
	Samples     []Difference
}

// Difference is a row that is not the same in two versions of a view.
type Difference struct {
	Key         string
	Left, Right json.RawMessage // nil: there is no such row
}
