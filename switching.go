package deed

import (
	"context"
	"fmt"
)

// Switch has another version of a view be read by its name, for all who share the store, in one step. The version that was read
// goes on and can be switched back to. *BehindError while the new one lags behind the log; *InvalidError if this service does not
// keep it; ErrNotFound if there is no such view.
func (c Control) Switch(ctx context.Context, view string, version int) (Receipt, error) {
	s := c.service
	v, known := s.views[view]
	switch {
	case !known:
		return Receipt{}, fmt.Errorf("view %.80q: %w", view, ErrNotFound)
	case s.engine == nil:
		return Receipt{}, errOnlyReads(view)
	case v.single:
		return Receipt{}, invalid("view", "an Inline or Live projection has one version")
	}
	ref := CommandRef{ID: MetaFrom(ctx).CommandID}
	if ref.ID != "" {
		ref.Hash = HashID(typeSwitched, view, fmt.Sprint(version))
		receipt, known, err := s.engine.Outcome(ctx, ref)
		if known && err == nil {
			err = c.finish(ctx, v, receipt.Position)
		}
		if known || err != nil {
			return receipt, err
		}
	}
	return c.switchTo(ctx, v, version, ref)
}

// finish has the version be read that was said at a position, where that was not done and nothing was said since.
func (c Control) finish(ctx context.Context, v *viewVersions, said Position) error {
	s := c.service
	match := Match{Types: []string{typeSwitched}, Tags: codecTags(s.codec(), []string{partTag(v.name)})}
	for r, err := range s.engine.Read(ctx, Query{Match: []Match{match}, Backward: true, Limit: 1}) {
		if err != nil || r.Position != said {
			return err
		}
		last, err := decodeControl(ctx, s.codec(), r)
		if err != nil {
			return err
		}
		_, to, err := v.version("version", last.Version)
		if err != nil {
			return err
		}
		read, err := v.store.ViewRead(ctx, v.name)
		if err != nil || read == to || read.Version != last.Before {
			return err
		}
		if err := v.store.ReadView(ctx, v.name, read, to); err != nil {
			return fmt.Errorf("switch %s to version %d: %w", v.name, last.Version, err)
		}
		v.tell(to)
	}
	return nil
}

func (c Control) switchTo(ctx context.Context, v *viewVersions, version int, ref CommandRef) (Receipt, error) {
	s, view := c.service, v.name
	raw, to, err := v.version("version", version)
	if err != nil {
		return Receipt{}, err
	}
	read, err := v.store.ViewRead(ctx, view)
	if err != nil {
		return Receipt{}, err
	}
	if err := s.caughtUp(ctx, raw); err != nil {
		return Receipt{}, fmt.Errorf("switch %s to version %d: %w", view, version, err)
	}
	receipt, err := c.say(ctx, ref, typeSwitched, control{Part: view, Version: version, Before: read.Version})
	if err != nil || receipt.Again || read == to {
		return receipt, err
	}
	if err := v.store.ReadView(ctx, view, read, to); err != nil {
		return receipt, fmt.Errorf("switch %s to version %d: %w", view, version, err)
	}
	v.tell(to)
	return receipt, nil
}
