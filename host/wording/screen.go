package wording

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var (
	escape = regexp.MustCompile("\x1b\\[[0-9;]*m")
	column = regexp.MustCompile(`\S( {2,})\S`)
	// Explanations of commands and settings stand behind this.
	explanation = strings.Repeat(" ", 8)
	// typed begins a line that a person types, which is never broken: what is
	// copied from a screen has to be the whole command.
	typed = regexp.MustCompile(`^\s*(?:or )?(?:odpm|docker|sudo|kill|chmod|chown|chgrp|mv|rm|cp|mkdir|psql|ps|sed|ls|git|[A-Z][A-Z0-9_]+=)(?:\s|\S|$)`)
)

// WithoutColours is what is read of a text for a terminal.
func WithoutColours(text string) string { return escape.ReplaceAllString(text, "") }

// Screen makes lines fit a terminal of a width: broken at words, what follows
// indented below where its column begins, a path in a table shortened in its
// middle. Commands stay whole. Width 0 is no terminal and changes nothing.
func Screen(text string, width int) string {
	if width <= 0 {
		return text
	}
	var out []string
	for _, line := range strings.Split(text, "\n") {
		out = append(out, fit(line, width)...)
	}
	return strings.Join(out, "\n")
}

func fit(line string, width int) []string {
	if wide(line) <= width {
		return []string{line}
	}
	plain := WithoutColours(line)
	lead := len(plain) - len(strings.TrimLeft(plain, " "))
	if lead > 0 && typed.MatchString(plain) && !column.MatchString(strings.Replace(plain[lead:], explanation, "", 1)) {
		command, why, ok := strings.Cut(strings.TrimLeft(line, " "), explanation)
		if !ok {
			return []string{line}
		}
		return append([]string{strings.Repeat(" ", lead) + command}, broken(strings.Repeat(" ", lead+4)+strings.TrimLeft(why, " "), width, lead+4, false)...)
	}
	hang, table := lead+2, false
	for _, at := range column.FindAllStringIndex(plain, -1) {
		if begin := utf8.RuneCountInString(plain[:at[1]-1]); begin <= width*3/5 {
			hang, table = begin, true
		}
	}
	if hang > width*3/5 {
		hang = lead + 2
	}
	return broken(line, width, hang, table)
}

// Reflow joins the lines of each paragraph and breaks them anew for a width of 80
// at most, which is read best: a text that stands in a source has its breaks.
// Lines that are indented stay.
func Reflow(text string, width int) string {
	if width <= 0 || width > 80 {
		width = 80
	}
	var out, paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			out = append(out, Wrap(strings.Join(paragraph, " "), width, ""))
		}
		paragraph = nil
	}
	for _, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == ' ' {
			end()
			out = append(out, line)
			continue
		}
		paragraph = append(paragraph, line)
	}
	end()
	return strings.Join(out, "\n")
}

// broken breaks at single spaces; the spaces between columns stay.
func broken(line string, width, hang int, table bool) []string {
	var out []string
	indent := strings.Repeat(" ", hang)
	current, at := "", 0
	for len(line) > 0 {
		space := line[:len(line)-len(strings.TrimLeft(line, " "))]
		line = line[len(space):]
		word := line
		if end := strings.IndexByte(line, ' '); end >= 0 {
			word = line[:end]
		}
		line = line[len(word):]
		room := width - hang
		arrow := ""
		if rest, ok := strings.CutPrefix(line, " "); ok && word == "->" && rest != "" {
			// An arrow stays with what it points to.
			arrow = "-> "
			word, line, _ = strings.Cut(rest, " ")
			if line != "" {
				line = " " + line
			}
		}
		if fits := room - len(arrow); table && wide(word) > fits && strings.Contains(word, "/") {
			word = Middle(word, fits)
		}
		word = arrow + word
		switch {
		case at == 0 && len(out) == 0:
			current, at = space+word, len(space)+wide(word)
		case at+len(space)+wide(word) > width && at > hang, table && len(out) > 0 && len(space) > 1:
			// Below the first line each column has lines of its own, as in the
			// table's head.
			out = append(out, current)
			current, at = indent+word, hang+wide(word)
		default:
			current, at = current+space+word, at+len(space)+wide(word)
		}
	}
	return append(out, current)
}

// wide is how many columns a text takes.
func wide(text string) int { return utf8.RuneCountInString(WithoutColours(text)) }

// Middle shortens a path in its middle, at its slashes where that helps: what
// it begins and ends with tells a person most.
func Middle(path string, width int) string {
	runes := []rune(path)
	if len(runes) <= width || width < 8 {
		return path
	}
	tail := (width - 1) * 2 / 3
	end := runes[len(runes)-tail:]
	if slash := slices.Index(end, '/'); slash >= 0 && slash < len(end)/2 {
		end = end[slash:]
	}
	return string(runes[:width-1-len(end)]) + "…" + string(end)
}
