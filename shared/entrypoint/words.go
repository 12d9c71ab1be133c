package entrypoint

import "strings"

// command is one simple command: its words as they stand, quotes and all.
type command []string

// scanner splits a shell script into simple commands. It knows quoting,
// comments, substitutions and case patterns; what it cannot follow (here
// documents) it reports as strange, and never guesses at.
type scanner struct {
	text     string
	at       int
	words    command
	word     strings.Builder
	inWord   bool
	pattern  bool // a case pattern comes next
	cases    int
	commands []command
	// functions are defined here, so their names are no programs.
	functions map[string]bool
	strange   bool
	// quiet: only the end of something is looked for; it is read afterwards.
	quiet int
	// level counts the substitutions around text.
	level int
}

// deepest is more nested substitutions than anybody writes.
const deepest = 16

func scan(text string, level int) *scanner {
	s := &scanner{level: level, text: strings.ReplaceAll(text, "\\\n", " "), functions: map[string]bool{}}
	for s.at < len(s.text) {
		s.next()
	}
	s.endCommand()
	return s
}

func (s *scanner) next() {
	if s.pattern && !s.inWord {
		s.casePattern()
		return
	}
	c := s.text[s.at]
	switch {
	case c == '\\':
		s.take(min(2, len(s.text)-s.at))
	case c == '\'':
		s.take(s.until(s.at+1, '\'') - s.at)
	case c == '"':
		s.take(s.doubleQuoted(s.at) - s.at)
	case c == '`':
		end := s.until(s.at+1, '`')
		s.nested(s.text[s.at+1 : max(s.at+1, end-1)])
		s.take(end - s.at)
	case c == '$' && s.at+1 < len(s.text) && strings.IndexByte("({", s.text[s.at+1]) >= 0:
		s.take(s.dollar(s.at) - s.at)
	case c == '#' && !s.inWord:
		s.at += len(s.text[s.at:]) - len(strings.TrimLeft(s.text[s.at:], "#"))
		for s.at < len(s.text) && s.text[s.at] != '\n' {
			s.at++
		}
	case c == ' ' || c == '\t' || c == '\r':
		s.endWord()
		s.at++
	case c == '(' && s.inWord && strings.HasSuffix(s.word.String(), "="):
		// NAME=( … ): an array.
		s.take(s.closing(s.at+1) - s.at)
	case c == '(' && s.inWord:
		// name(): a function begins.
		s.functions[s.word.String()] = true
		s.word.Reset()
		s.inWord = false
		s.at++
	case c == '&' && s.inWord && strings.HasSuffix(s.word.String(), ">"):
		s.take(1) // 2>&1
	case strings.HasPrefix(s.text[s.at:], "<<<"):
		s.take(3)
	case strings.HasPrefix(s.text[s.at:], "<<"):
		s.strange = true
		s.take(2)
	case strings.IndexByte("\n;&|()", c) >= 0:
		two := strings.HasPrefix(s.text[s.at:], ";;")
		s.endCommand()
		s.at++
		if two && s.cases > 0 {
			s.at++
			s.pattern = true
		}
	default:
		s.take(1)
	}
}

// casePattern skips "a | b)", up to the end of the case.
func (s *scanner) casePattern() {
	rest := strings.TrimLeft(s.text[s.at:], " \t\r\n;&")
	s.at = len(s.text) - len(rest)
	s.pattern = false
	switch {
	case strings.HasPrefix(rest, "#"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		s.at += end
		s.pattern = true
	case strings.HasPrefix(rest, "esac"):
	default:
		rest = strings.TrimPrefix(rest, "(")
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			s.strange = true
			s.at = len(s.text)
			return
		}
		s.at = len(s.text) - len(rest) + end + 1
	}
}

func (s *scanner) take(n int) {
	s.word.WriteString(s.text[s.at : s.at+n])
	s.inWord = true
	s.at += n
}

func (s *scanner) endWord() {
	if !s.inWord {
		return
	}
	w := s.word.String()
	s.word.Reset()
	s.inWord = false
	s.words = append(s.words, w)
	switch {
	case w == "in" && s.words[0] == "case":
		s.words = nil
		s.cases++
		s.pattern = true
	case s.words[0] == "function" && len(s.words) == 2:
		s.functions[w] = true
		s.words = nil
	case w == "esac" && len(s.words) == 1:
		s.words = nil
		s.cases--
	}
}

func (s *scanner) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
	}
	s.words = nil
}

// nested reads the inside of a command substitution.
func (s *scanner) nested(text string) {
	if s.quiet > 0 {
		return
	}
	if s.level == deepest {
		s.strange = true
		return
	}
	in := scan(text, s.level+1)
	s.commands = append(s.commands, in.commands...)
	s.strange = s.strange || in.strange
}

// until gives the place behind the next end, backslashes not looked at.
func (s *scanner) until(from int, end byte) int {
	if i := strings.IndexByte(s.text[from:], end); i >= 0 {
		return from + i + 1
	}
	s.strange = true
	return len(s.text)
}

func (s *scanner) doubleQuoted(from int) int {
	for i := from + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '$':
			if i+1 < len(s.text) && strings.IndexByte("({", s.text[i+1]) >= 0 {
				i = s.dollar(i) - 1
			}
		case '`':
			end := s.until(i+1, '`')
			s.nested(s.text[i+1 : max(i+1, end-1)])
			i = end - 1
		}
	}
	s.strange = true
	return len(s.text)
}

// dollar gives the place behind $(…), $((…)) or ${…}.
func (s *scanner) dollar(from int) int {
	if s.text[from+1] == '(' {
		end := s.closing(from + 2)
		if inner := s.text[from+2 : max(from+2, end-1)]; !strings.HasPrefix(inner, "(") {
			s.nested(inner)
		}
		return end
	}
	end := s.balanced(from+2, '{', '}')
	if s.quiet > 0 {
		return end
	}
	if strings.Contains(s.text[from+2:end], "$(") || strings.Contains(s.text[from+2:end], "`") {
		// A default that only a command can tell.
		s.strange = true
	}
	return end
}

// closing gives the place behind the parenthesis that closes one.
func (s *scanner) closing(from int) int { return s.balanced(from, '(', ')') }

func (s *scanner) balanced(from int, opens, closes byte) int {
	s.quiet++
	defer func() { s.quiet-- }()
	depth := 1
	for i := from; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '\'':
			i = s.until(i+1, '\'') - 1
		case '"':
			i = s.doubleQuoted(i) - 1
		case opens:
			depth++
		case closes:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	s.strange = true
	return len(s.text)
}
