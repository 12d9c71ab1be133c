package ui

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/odpm/odpm/host/wording"
)

// Answer is a prompt's letter. The letters mean the same in every prompt.
type Answer byte

const (
	Abort        Answer = 'a'
	GoOn         Answer = 'b'
	Instructions Answer = 'c'
)

// Question is one lettered prompt.
type Question struct {
	// Lines are shown above the choices.
	Lines []string
	// GoOn says what (b) does: "accept new data path".
	GoOn string
	// InstructionsLabel says what (c) shows, "" for no (c).
	InstructionsLabel string
	// Instructions are shown on (c); then the question is asked again.
	Instructions []string
}

// ErrNobodyToAsk is returned where no person can answer.
var ErrNobodyToAsk = errors.New("confirmation needed, and standard input is not a terminal")

// ErrInterrupted is returned when Ctrl-C came instead of an answer.
var ErrInterrupted = errors.New("interrupted")

// readLine waits for a line or for Ctrl-C, whichever comes first. A read that
// was given up takes the next line with it, but then the run is over.
func (t *Terminal) readLine() (string, error) {
	type answer struct {
		line string
		err  error
	}
	c := make(chan answer, 1)
	go func() {
		line, err := readLine(t.In)
		c <- answer{line, err}
	}()
	select {
	case a := <-c:
		t.live.answered()
		return a.line, a.err
	case <-t.Interrupted:
		t.Say("")
		return "", ErrInterrupted
	}
}

// Ask shows the question until it is answered with (a) or (b). Enter, end of
// input and an interrupted read are (a).
func (t *Terminal) Ask(q Question) (Answer, error) {
	if !t.Interactive {
		return Abort, ErrNobodyToAsk
	}
	choices := "Choose: (a) abort  (b) " + q.GoOn
	if q.InstructionsLabel != "" {
		choices += "  (c) " + q.InstructionsLabel
	}
	for _, l := range q.Lines {
		t.Say("%s", l)
	}
	for {
		t.Say("%s", choices)
		fmt.Fprint(t.Err, "[a] > ")
		line, err := t.readLine()
		if errors.Is(err, ErrInterrupted) {
			return Abort, err
		}
		word := strings.ToLower(strings.Trim(strings.TrimSpace(line), "()"))
		switch {
		case err != nil && word == "":
			t.Say("")
			return Abort, nil
		case word == "" || word == "a" || word == "abort":
			return Abort, nil
		case word == "b":
			return GoOn, nil
		case word == "c" && q.InstructionsLabel != "":
			t.Say("")
			for _, l := range q.Instructions {
				t.Say("%s", l)
			}
			t.Say("")
		default:
			t.Say("%q is not one of the letters.", Clean(word))
			if err != nil {
				return Abort, nil
			}
		}
	}
}

// Choose shows the question until one of several is chosen, by its number or its
// name, and gives its place. (a), Enter, end of input and an interrupted read are
// -1.
func (t *Terminal) Choose(question string, names []string) (int, error) {
	if !t.Interactive {
		return -1, ErrNobodyToAsk
	}
	t.Say("%s", question)
	choices := "Choose: (a) abort"
	for i, name := range names {
		choices += fmt.Sprintf("  (%d) %s", i+1, Clean(name))
	}
	for {
		t.Say("%s", choices)
		fmt.Fprint(t.Err, "[a] > ")
		line, err := t.readLine()
		if errors.Is(err, ErrInterrupted) {
			return -1, err
		}
		word := strings.Trim(strings.TrimSpace(line), "()")
		if n, isNumber := strconv.Atoi(word); isNumber == nil && n >= 1 && n <= len(names) {
			return n - 1, nil
		}
		if i := slices.Index(names, word); i >= 0 {
			return i, nil
		}
		if word == "" || strings.EqualFold(word, "a") || strings.EqualFold(word, "abort") {
			if err != nil {
				t.Say("")
			}
			return -1, nil
		}
		t.Say("%q is not one of the choices.", Clean(word))
		if err != nil {
			return -1, nil
		}
	}
}

// ask writes a question so that it fits the terminal; the answer is typed behind it.
func (t *Terminal) ask(question string) {
	fmt.Fprint(t.Err, wording.Screen(question, t.ErrWidth)+" ")
}

// AskName asks the person to type a name exactly, for what cannot be undone.
func (t *Terminal) AskName(question, name string) (bool, error) {
	if !t.Interactive {
		return false, ErrNobodyToAsk
	}
	t.ask(question)
	line, err := t.readLine()
	if errors.Is(err, ErrInterrupted) {
		return false, err
	}
	if err != nil && line == "" {
		t.Say("")
	}
	return strings.TrimRight(line, "\r\n") == name, nil
}

// AskSecret reads a secret without echoing it.
func (t *Terminal) AskSecret(question string) (string, error) {
	if !t.Interactive {
		return "", ErrNobodyToAsk
	}
	t.ask(question)
	fd := int(t.In.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		b   []byte
		err error
	}
	c := make(chan answer, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		c <- answer{b, err}
	}()
	select {
	case a := <-c:
		t.Say("")
		return string(a.b), a.err
	case <-t.Interrupted:
		// The reader will not come back to switch the echo on again.
		t.Say("")
		return "", errors.Join(ErrInterrupted, term.Restore(fd, before))
	}
}

// readLine reads byte by byte, so that nothing after the line is swallowed.
func readLine(f *os.File) (string, error) {
	var line []byte
	buf := make([]byte, 1)
	for len(line) < 4096 {
		n, err := f.Read(buf)
		if n == 1 {
			if buf[0] == '\n' {
				return string(line), nil
			}
			line = append(line, buf[0])
		}
		if err != nil {
			return string(line), err
		}
		if n == 0 {
			return string(line), io.EOF
		}
	}
	return string(line), nil
}
