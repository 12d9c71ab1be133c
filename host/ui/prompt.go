package ui

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
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
		line, err := readLine(t.In)
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

// AskName asks the person to type a name exactly, for what cannot be undone.
func (t *Terminal) AskName(question, name string) (bool, error) {
	if !t.Interactive {
		return false, ErrNobodyToAsk
	}
	fmt.Fprint(t.Err, question+" ")
	line, err := readLine(t.In)
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
	fmt.Fprint(t.Err, question+" ")
	b, err := term.ReadPassword(int(t.In.Fd()))
	t.Say("")
	return string(b), err
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
