package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// outline is a tree in one line: to(events) of each command, what an event caused in brackets behind it.
func outline(commands []*causeCommand) string {
	var all []string
	for _, c := range commands {
		var events []string
		for _, e := range c.Events {
			text := fmt.Sprint(e.Position)
			if e.Here {
				text += "!"
			}
			if len(e.Commands) > 0 {
				text += "[" + outline(e.Commands) + "]"
			}
			events = append(events, text)
		}
		text := string(c.To) + "(" + strings.Join(events, " ") + ")"
		if c.Missing != "" {
			text += "?" + c.Missing
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func TestTree(t *testing.T) {
	did := func(position int, stream, command, cause string) happened {
		return happened{entry: entry{Position: deed.Position(position), Stream: deed.StreamID(stream), Type: "a"}, id: fmt.Sprint(position), command: command, causation: cause}
	}
	for _, c := range []struct {
		name string
		all  []happened
		here int
		want string
	}{
		{"one", []happened{did(1, "a-1", "", "")}, 1, "a-1(1!)"},
		{"events of one command", []happened{did(1, "a-1", "x", ""), did(2, "a-1", "x", "")}, 2, "a-1(1 2!)"},
		{"a command without an id", []happened{did(1, "a-1", "", ""), did(2, "a-1", "", ""), did(3, "b-1", "", "")}, 1, "a-1(1! 2) b-1(3)"},
		{"a chain", []happened{did(1, "a-1", "x", ""), did(2, "b-1", "y", "1"), did(3, "c-1", "z", "2")}, 2, "a-1(1[b-1(2![c-1(3)])])"},
		{"two causes, two effects each", []happened{
			did(1, "a-1", "x", ""), did(2, "a-1", "x", ""), did(3, "b-1", "y", "1"), did(4, "c-1", "z", "1"), did(5, "d-1", "w", "2"), did(6, "d-1", "w", "2"),
		}, 5, "a-1(1[b-1(3) c-1(4)] 2[d-1(5! 6)])"},
		{"a cause that was not found", []happened{did(7, "b-1", "y", "1"), did(8, "c-1", "z", "7")}, 8, "b-1(7[c-1(8!)])?1"},
		{"what causes itself", []happened{did(1, "a-1", "x", "2"), did(2, "b-1", "y", "1")}, 1, "a-1(1![b-1(2)])"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := outline(newTree(deed.Model{}, c.all, deed.Position(c.here)).roots()); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			for _, h := range c.all {
				tree := newTree(deed.Model{}, c.all, h.Position)
				if root := outline([]*causeCommand{tree.from(tree.rootOf(h))}); !strings.Contains(root, fmt.Sprintf("%d!", h.Position)) {
					t.Errorf("from %d: %s", h.Position, root)
				}
			}
		})
	}
}

// A request that caused very much is cut.
func TestTreeIsCut(t *testing.T) {
	var all []happened
	for i := range 3000 {
		all = append(all, happened{entry: entry{Position: deed.Position(i + 1)}, id: fmt.Sprint(i + 1), command: fmt.Sprint(i), causation: fmt.Sprint(i)})
	}
	tree := newTree(deed.Model{}, all, 1)
	if tree.roots(); tree.shown != causesShown || !tree.cut {
		t.Errorf("%d events, cut is %t", tree.shown, tree.cut)
	}
}
