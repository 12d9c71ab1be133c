// Package ui is the only place that writes to a person.
//
// Wording rules. A message starts with "odpm: " on the error stream, in lower
// case, and says what happened and why; a "try:" line below holds the exact
// next command. A severity is always a word, so that nothing depends on
// colour. Results go to stdout; messages, prompts and progress to stderr. No
// animation without a TTY. Text that came from a file or a server loses its
// control characters before it is shown (Clean).
package ui

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/redact"
)

// Terminal is where a run reads and writes.
type Terminal struct {
	In *os.File
	// Out and Err are where results and messages go; secrets are hidden in what
	// is written to Err.
	Out, Err io.Writer
	// Secrets are what no message may show.
	Secrets *redact.Values
	// Interactive: a person can be asked (stdin and stderr are a TTY, no --no-input).
	Interactive bool
	// OutColor and ErrColor: escape sequences may be written there.
	OutColor, ErrColor bool
	// ErrTTY: progress may be animated.
	ErrTTY bool
	// Interrupted is closed when the person pressed Ctrl-C; a question that
	// waits for an answer ends then.
	Interrupted <-chan struct{}
	// Quiet: what is being done is not said; results, questions, warnings and
	// errors are.
	Quiet bool
	// Document: standard output gets a document that says what was done, so that a Note
	// would say it twice.
	Document bool
	// Width of the error stream's terminal, 80 off a TTY.
	Width int
	// OutWidth and ErrWidth are those of the terminals there, 0 where there is
	// none: lines are broken for a person alone.
	OutWidth, ErrWidth int

	raw *os.File
	// live is raw where that is a terminal. animated: its lines may change.
	live     *alive
	animated bool
}

// Stream is the error stream itself, for a program that is started and for
// what moves the cursor.
func (t *Terminal) Stream() io.Writer {
	if t.raw == nil {
		return t.Err
	}
	return t.raw
}

// Options steer New; the zero value is --color auto with prompts.
type Options struct {
	// Color is auto, always or never.
	Color   string
	NoInput bool
	Quiet   bool
	// Document is Terminal's.
	Document bool
	// Plain: no line is drawn twice (--progress plain and json).
	Plain  bool
	Getenv func(string) string
	// Secrets may be nil: none are known.
	Secrets *redact.Values
}

// New looks at the three streams. Colour: --color > NO_COLOR >
// CLICOLOR_FORCE > the stream's TTY.
func New(in, out, err *os.File, o Options) *Terminal {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Secrets == nil {
		o.Secrets = &redact.Values{}
	}
	t := &Terminal{In: in, Out: out, Err: o.Secrets.Writer(err), Secrets: o.Secrets, Quiet: o.Quiet, Document: o.Document, Width: 80, raw: err}
	if t.ErrTTY = isTTY(err); t.ErrTTY {
		t.live = &alive{w: err}
		t.Err = o.Secrets.Writer(t.live)
		t.animated = !o.Plain && o.Getenv("TERM") != "dumb"
	}
	t.Interactive = !o.NoInput && isTTY(in) && t.ErrTTY
	t.OutColor, t.ErrColor = color(o, isTTY(out)), color(o, t.ErrTTY)
	t.OutWidth, t.ErrWidth = width(out), width(err)
	if t.ErrWidth > 0 {
		t.Width = t.ErrWidth
	}
	return t
}

// width of a terminal, 0 for none and for one that is too narrow to be meant.
func width(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
		return w
	}
	return 0
}

// Screen writes what a person reads to standard output, so that it fits there.
func (t *Terminal) Screen(write func(io.Writer)) {
	var b strings.Builder
	write(&b)
	if t.live != nil {
		t.live.below(nil) // what is drawn there now would stay in the midst of it
	}
	io.WriteString(t.Out, wording.Screen(b.String(), t.OutWidth))
}

// line writes one message, so that it fits the error stream's terminal.
func (t *Terminal) line(text string) {
	fmt.Fprintln(t.Err, wording.Screen(text, t.ErrWidth))
}

func isTTY(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

func color(o Options, tty bool) bool {
	switch o.Color {
	case "always":
		return true
	case "never":
		return false
	}
	if o.Getenv("NO_COLOR") != "" {
		return false
	}
	if v := o.Getenv("CLICOLOR_FORCE"); v != "" && v != "0" {
		return true
	}
	return tty && o.Getenv("TERM") != "dumb"
}

// Style is an SGR parameter.
type Style string

const (
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint wraps s in a style where colour is on.
func Paint(on bool, st Style, s string) string {
	if !on || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// Say writes one message line to the error stream.
func (t *Terminal) Say(format string, args ...any) {
	t.line(fmt.Sprintf(format, args...))
}

// Step writes what is being done now, dimmed.
func (t *Terminal) Step(format string, args ...any) {
	if t.Quiet {
		return
	}
	t.line(Paint(t.ErrColor, Dim, "odpm: "+fmt.Sprintf(format, args...)))
}

// Note writes what was done, for who wants to know it.
func (t *Terminal) Note(format string, args ...any) {
	if !t.Quiet && !t.Document {
		t.Say(format, args...)
	}
}

// Warn writes a warning.
func (t *Terminal) Warn(format string, args ...any) {
	t.line(Paint(t.ErrColor, Yellow, "odpm: warning:") + " " + fmt.Sprintf(format, args...))
}

// Fail writes the error that ends a run. Severities have the colours that a plan
// gives them.
func (t *Terminal) Fail(err error) {
	text := severity.ReplaceAllStringFunc(CleanLines(err.Error()), func(line string) string {
		word := strings.TrimSpace(line)
		return strings.Replace(line, word, Paint(t.ErrColor, severities[word], word), 1)
	})
	t.line(Paint(t.ErrColor, Red, "odpm:") + " " + text)
}

// severity is one at the beginning of a line about a drift.
var (
	severity   = regexp.MustCompile(`(?m)^  (high  |medium)  `)
	severities = map[string]Style{"high": Red, "medium": Yellow}
)

// Clean makes text from outside safe for one line of a terminal: control
// characters, escape sequences and direction overrides become "\x1b" style
// escapes; the length is bounded.
func Clean(s string) string { return clean(s, false) }

// CleanLines is Clean for text of several lines: newline and tab stay.
func CleanLines(s string) string { return clean(s, true) }

// CleanLog is CleanLines for what a program said to a terminal, as one does in a
// container with tty: colours and the carriage returns of its lines go.
func CleanLog(s string) string {
	return CleanLines(strings.ReplaceAll(wording.WithoutColours(s), "\r\n", "\n"))
}

func clean(s string, lines bool) string {
	const limit = 16 << 10
	var b strings.Builder
	for i, r := range s {
		if i > limit {
			b.WriteString("…")
			break
		}
		switch {
		case lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case r == unicode.ReplacementChar:
			b.WriteRune('?')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u00ad':
			if r < 0x100 {
				fmt.Fprintf(&b, `\x%02x`, r)
			} else {
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
