package foreign

import (
	"maps"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/shared/regular"
)

// built is what a service's Dockerfile says of the image that is made of it.
type built struct {
	// Base is the image that its stage begins with, "" where that is not known.
	Base string
	// vars are the ARG and ENV of the whole file by name, build arguments before
	// them.
	vars map[string]string
	// env is what the image that is made has in its environment, as far as this file
	// sets it.
	env map[string]string
}

const maxDockerfile = 1 << 20

// readBuild reads the Dockerfile of a build. One that is not on this machine, or
// that nobody could build, says nothing.
func readBuild(b *types.BuildConfig) built {
	if b == nil {
		return built{}
	}
	text := b.DockerfileInline
	if text == "" {
		path := firstOf(b.Dockerfile, "Dockerfile")
		if !filepath.IsAbs(path) {
			path = filepath.Join(b.Context, path)
		}
		data, err := regular.Read(path, maxDockerfile)
		if err != nil {
			return built{}
		}
		text = string(data)
	}
	return parseDockerfile(text, b)
}

// parseDockerfile follows Dockerfile's reference: ARG before the first FROM is
// for FROM, a stage may begin with another one, and the last one is built where
// no target is named.
func parseDockerfile(text string, b *types.BuildConfig) built {
	out := built{vars: map[string]string{}}
	args, stages, last := map[string]string{}, map[string]string{}, ""
	envs := map[string]map[string]string{} // of the stages by name
	staged := false
	set := func(a assignment, into map[string]string) {
		v, err := template.Substitute(a.value, lookup(into))
		if err != nil {
			v = a.value
		}
		into[a.name] = v
	}
	arg := func(a assignment, into map[string]string) {
		switch said := b.Args[a.name]; {
		case said != nil:
			into[a.name] = *said
		case a.given:
			set(a, into)
		}
	}
	for _, line := range instructions(text) {
		name, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		switch strings.ToUpper(name) {
		case "ARG":
			for _, a := range assignments(rest) {
				if !staged {
					arg(a, args)
				}
				arg(a, out.vars)
			}
		case "ENV":
			for _, a := range assignments(rest) {
				set(a, out.vars)
				if staged {
					out.env[a.name] = out.vars[a.name]
				}
			}
		case "FROM":
			words := strings.Fields(rest)
			for len(words) > 0 && strings.HasPrefix(words[0], "--") {
				words = words[1:]
			}
			if len(words) == 0 {
				continue
			}
			image, err := template.Substitute(strings.Trim(words[0], `"'`), lookup(args))
			if err != nil {
				image = ""
			}
			if other := strings.TrimPrefix(b.AdditionalContexts[image], "docker-image://"); other != b.AdditionalContexts[image] {
				image = other
			}
			out.env = maps.Clone(envs[strings.ToLower(image)])
			if out.env == nil {
				out.env = map[string]string{}
			}
			if earlier, ok := stages[strings.ToLower(image)]; ok {
				image = earlier
			}
			last, staged = image, true
			if len(words) == 3 && strings.EqualFold(words[1], "AS") {
				stages[strings.ToLower(words[2])] = image
				envs[strings.ToLower(words[2])] = out.env
			}
		}
	}
	out.Base = last
	if b.Target != "" {
		out.Base, out.env = stages[strings.ToLower(b.Target)], envs[strings.ToLower(b.Target)]
	}
	return out
}

func lookup(vars map[string]string) template.Mapping {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

// heredoc is not a here-string (<<<word) and no shift.
var heredoc = regexp.MustCompile(`(?:^|\s)[0-9]*<<-?["']?([A-Za-z_][A-Za-z0-9_]*)["']?`)

// instructions are a Dockerfile's, each in one line, without comments and
// without the text of here-documents, in which a line may begin with FROM.
func instructions(text string) []string {
	var out []string
	var until []string
	line := ""
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if len(until) > 0 {
			if l == until[0] {
				until = until[1:]
			}
			continue
		}
		if strings.HasPrefix(l, "#") || l == "" {
			continue
		}
		part, more := strings.CutSuffix(l, `\`)
		line += part + " "
		if more {
			continue
		}
		line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " "))
		switch name, _, _ := strings.Cut(line, " "); strings.ToUpper(name) {
		case "RUN", "COPY", "ADD":
			for _, m := range heredoc.FindAllStringSubmatch(line, -1) {
				until = append(until, m[1])
			}
		}
		out, line = append(out, line), ""
	}
	if line != "" {
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

// assignment is one name of ARG or ENV; ARG need not give it a value.
type assignment struct {
	name, value string
	given       bool
}

// assignments reads NAME=value …, and ENV's old NAME value.
func assignments(words string) []assignment {
	if name, rest, ok := strings.Cut(words, " "); ok && !strings.Contains(words, "=") {
		return []assignment{{name, unquoted(rest), true}}
	}
	var out []assignment
	for _, f := range strings.Fields(words) {
		name, v, given := strings.Cut(f, "=")
		out = append(out, assignment{name, unquoted(v), given})
	}
	return out
}

func unquoted(s string) string { return strings.Trim(strings.TrimSpace(s), `"'`) }

// odooTag is a series of Odoo's at the beginning of a tag: 17.0, saas-17.4.
var odooTag = regexp.MustCompile(`^(saas[-~])?([0-9]{1,2})(?:\.([0-9]+))?(?:$|[^0-9])`)

// odooVersion reads "17.0" off an image's tag or a variable; "" for what is
// another product's version, such as 1.4.2 or 2024.1.
func odooVersion(tag string) string {
	m := odooTag.FindStringSubmatch(tag)
	switch {
	case m == nil:
		return ""
	case m[1] == "" && (m[3] != "" && m[3] != "0" || len(m[2]) == 1 && m[2] < "8"):
		return ""
	}
	return m[1] + m[2] + "." + firstOf(m[3], "0")
}

// odooVersion is the version that a build says: its argument, the official
// image or one like it in FROM, or the variable ODOO_VERSION.
func (b built) odooVersion() string {
	if odooName.MatchString(strings.ToLower(b.Base)) {
		_, t := tag.Split(b.Base)
		if v := odooVersion(t); v != "" {
			return v
		}
	}
	return odooVersion(b.vars["ODOO_VERSION"])
}
