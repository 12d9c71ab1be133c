// Command picture draws a recording of a terminal as SVG: what make picture does
// with test/demo.sh for the README. It reads text and writes the picture; "# "
// begins a scene and "$ " a command. Each scene appears some seconds after the one
// before, where animations are shown at all. Arguments choose scenes by their
// numbers, from 1.
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const (
	columns            = 104
	letter, line       = 78, 18 // A tenth of a pixel; pixels.
	left, top          = 16, 44
	pause, whole       = 4, 12 // Seconds for each scene, and at the end.
	ground, ink, quiet = "#1b1f24", "#d7dde4", "#8b98a5"
)

func main() {
	if err := draw(os.Stdin, os.Stdout, os.Args[1:]...); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// Times and numbers of the moment would make each picture another one.
var moments = strings.NewReplacer("/tmp/", "/srv/")

var temporary = regexp.MustCompile(`/srv/odpm-demo\.[A-Za-z0-9]+`)

func draw(in io.Reader, out io.Writer, chosen ...string) error {
	var scenes [][]string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		text := temporary.ReplaceAllString(moments.Replace(strings.TrimRight(lines.Text(), " ")), "/srv")
		if strings.HasPrefix(text, "# ") {
			scenes = append(scenes, nil)
		}
		if len(scenes) == 0 {
			continue
		}
		last := &scenes[len(scenes)-1]
		*last = append(*last, broken(text)...)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if len(chosen) > 0 {
		all := scenes
		scenes = nil
		for _, c := range chosen {
			n, err := strconv.Atoi(c)
			if err != nil || n < 1 || n > len(all) {
				return fmt.Errorf("%q is not one of %d scenes", c, len(all))
			}
			scenes = append(scenes, all[n-1])
		}
	}
	rows := 0
	for _, s := range scenes {
		rows += len(s)
	}
	if rows == 0 {
		return fmt.Errorf("there is nothing to draw")
	}
	width, height := columns*letter/10+2*left, top+rows*line+left
	seconds := pause*len(scenes) + whole
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="13" xml:space="preserve">
<style>text{white-space:pre;fill:%s}.q{fill:%s}.c{fill:#7ee787}.h{fill:#ff7b72}.l{fill:#d29922}`, width, height, ink, quiet)
	for i := range scenes {
		from := 100 * float64(pause*i) / float64(seconds)
		fmt.Fprintf(w, "@keyframes s%d{0%%,%.1f%%{opacity:0}%.1f%%,100%%{opacity:1}}#s%[1]d{animation:s%[1]d %[4]ds infinite}", i, max(from-0.1, 0), from, seconds)
	}
	fmt.Fprintf(w, "@media(prefers-reduced-motion){g{animation:none!important}}</style>\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"%s\"/>\n", ground)
	for i, colour := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(w, "<circle cx=\"%d\" cy=\"18\" r=\"6\" fill=\"%s\"/>\n", left+6+20*i, colour)
	}
	y := top
	for i, s := range scenes {
		fmt.Fprintf(w, "<g id=\"s%d\">\n", i)
		for _, text := range s {
			y += line
			if text == "" {
				continue
			}
			fmt.Fprintf(w, "<text x=\"%d\" y=\"%d\"%s>", left, y-4, class(text))
			if err := xml.EscapeText(w, []byte(text)); err != nil {
				return err
			}
			fmt.Fprint(w, "</text>\n")
		}
		fmt.Fprint(w, "</g>\n")
	}
	fmt.Fprint(w, "</svg>\n")
	return w.Flush()
}

func class(text string) string {
	switch {
	case strings.HasPrefix(text, "# "):
		return ` class="q"`
	case strings.HasPrefix(text, "$ "):
		return ` class="c"`
	case strings.HasPrefix(strings.TrimSpace(text), "high "), strings.HasPrefix(text, "(exit code"):
		return ` class="h"`
	case strings.HasPrefix(strings.TrimSpace(text), "low "), strings.Contains(text, "warning:"):
		return ` class="l"`
	}
	return ""
}

// broken breaks a line at its words, as odpm does on a terminal, and what is
// longer than a line where that ends.
func broken(text string) []string {
	var out []string
	letters := []rune(text)
	indent := len(letters) - len([]rune(strings.TrimLeft(text, " ")))
	for len(letters) > columns {
		at := columns
		for at > indent && letters[at] != ' ' {
			at--
		}
		if at <= indent {
			at = columns
		}
		out = append(out, strings.TrimRight(string(letters[:at]), " "))
		letters = []rune(strings.Repeat(" ", indent) + strings.TrimLeft(string(letters[at:]), " "))
	}
	return append(out, string(letters))
}
