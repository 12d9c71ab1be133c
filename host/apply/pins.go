package apply

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"

	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/state"
)

// anonymous is the name that the engine gives a volume without one.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Pins are the anonymous volumes of a stack's containers.
func Pins(f *foreign.File, made map[string]foreign.Made) []state.Pin {
	var out []state.Pin
	for _, service := range f.Doc.ServiceNames() {
		for _, m := range made[service].Mounts {
			if anonymous.MatchString(m.Volume) {
				out = append(out, state.Pin{Service: service, Volume: m.Volume, Destination: m.Destination})
			}
		}
	}
	return out
}

// pinned is a compose file that mounts them by their names.
func pinned(pins []state.Pin) []byte {
	var b bytes.Buffer
	b.WriteString("services:\n")
	for i, last := 0, ""; i < len(pins); i++ {
		if p := pins[i]; p.Service != last {
			fmt.Fprintf(&b, "  %s:\n    volumes:\n", strconv.Quote(p.Service))
			last = p.Service
		}
		fmt.Fprintf(&b, "      - %s\n", strconv.Quote(fmt.Sprintf("odpm-pin-%d:%s", i, pins[i].Destination)))
	}
	b.WriteString("volumes:\n")
	for i, p := range pins {
		fmt.Fprintf(&b, "  odpm-pin-%d: {external: true, name: %s}\n", i, strconv.Quote(p.Volume))
	}
	return b.Bytes()
}
