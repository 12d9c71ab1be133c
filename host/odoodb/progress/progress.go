// Package progress is what long work says of itself while it lasts.
package progress

// Phase names a stretch of work that a person waits for.
type Phase string

const (
	PhaseDump      Phase = "dump"
	PhaseFilestore Phase = "filestore"
	PhaseRestore   Phase = "restore"
	PhaseIndexes   Phase = "indexes"
	PhaseVerify    Phase = "verify"
	PhaseSwap      Phase = "swap"
)

// Event is progress. Phases may run side by side; an event speaks for its own.
type Event struct {
	Phase Phase
	// Done and Total are bytes, or things where Items is set; Total is 0
	// when nobody knows it.
	Done, Total int64
	Items       bool
	// Finished is the phase's last event.
	Finished bool
}

// Func receives events, from more than one goroutine at a time. It must
// return quickly. A nil Progress is fine.
type Func func(Event)

// Send reports an event, to nobody where p is nil.
func (p Func) Send(e Event) {
	if p != nil {
		p(e)
	}
}
