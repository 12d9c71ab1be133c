package project

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/odpm/odpm/shared/redact"
	"github.com/odpm/odpm/shared/regular"
)

// LearnSecrets tells v the secrets of a project directory: what is in its
// files and in the environment under the names that secrets have, and what
// lies in the files that these name. It comes before everything that may fail
// and shows what it could not read, so it takes no part in the reading itself
// and says nothing of what it cannot read.
func LearnSecrets(v *redact.Values, dir, home string, environ []string) {
	for _, kv := range environ {
		if k, value, ok := strings.Cut(kv, "="); ok && redact.IsKey(k) {
			v.Add(value)
		}
		if strings.Contains(kv, "://") {
			v.Learn(kv) // a URL may have a password under any name
		}
	}
	paths := []string{}
	if home != "" {
		paths = append(paths, filepath.Join(home, ".odpm", ".env"))
	}
	for _, pattern := range []string{".env*", "*.env", "*.conf", "*.yml", "*.yaml", "user_settings.json", "odpm.json", ".odpm/*.yml", ".odpm/runtime/*.json"} {
		found, _ := filepath.Glob(filepath.Join(globEscape(dir), pattern))
		paths = append(paths, found...)
	}
	for _, kv := range environ {
		if list, ok := strings.CutPrefix(kv, "COMPOSE_FILE="); ok {
			for f := range strings.SplitSeq(list, string(os.PathListSeparator)) {
				paths = append(paths, absolute(dir, f))
			}
		}
	}
	learnFiles(v, dir, paths, 2)
	// What odpm has made up itself.
	made, _ := filepath.Glob(filepath.Join(globEscape(dir), ".odpm", "state", "*"))
	for _, path := range made {
		if redact.IsKey(filepath.Base(path)) {
			addFile(v, path)
		}
	}
}

// LearnFile tells v the secrets in one file and in those that it names.
func LearnFile(v *redact.Values, path string) {
	learnFiles(v, filepath.Dir(path), []string{path}, 2)
}

// otherFile is a file that another one names: a secret's, an env_file, an
// included compose file.
var otherFile = regexp.MustCompile(`(?mi)(?:^|[\s{,"'])([\w.-]*file|path|env_file|include)["']?\s*[:=]\s*["'\[]*([^\s"',}\]]+)|^\s*-\s+["']?([\w./-]+\.(?:env|ya?ml))["']?\s*$`)

func learnFiles(v *redact.Values, dir string, paths []string, depth int) {
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		data, err := regular.Read(path, maxFile)
		if err != nil {
			continue
		}
		text := string(data)
		v.Learn(text)
		if depth == 0 {
			continue
		}
		for _, m := range otherFile.FindAllStringSubmatch(text, 200) {
			name := m[2] + m[3]
			other := absolute(dir, name)
			beside := absolute(filepath.Dir(path), name)
			switch {
			case strings.HasSuffix(name, ".env"), strings.HasSuffix(name, ".yml"), strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".conf"):
				learnFiles(v, dir, []string{other, beside}, depth-1)
			case !publicFile.MatchString(m[1]) && !publicFile.MatchString(filepath.Base(name)):
				addFile(v, other)
				addFile(v, beside)
			}
		}
	}
}

// publicFile is a file with a name in it: POSTGRES_USER_FILE, secrets/user.
var publicFile = regexp.MustCompile(`(?i)user|login|host|port|dockerfile|log|pid|_db_`)

// addFile adds a file's one line.
func addFile(v *redact.Values, path string) {
	data, err := regular.Read(path, 4<<10)
	if err != nil {
		return
	}
	if line := strings.TrimSpace(string(data)); !strings.Contains(line, "\n") || strings.Contains(line, "PRIVATE KEY") {
		v.Add(line)
	}
}

func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func globEscape(dir string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(dir, `\$0`)
}

// Words are the names of a project that everything shows.
func (p *Project) Words() []string {
	words := []string{p.Name, p.PlainName, p.Prefix, p.ServiceName, p.OdooServiceName, p.VolumeName, p.AppRole, p.PostgresVersion, p.OdooVersion,
		p.PostgresImage, p.OdooImage, p.PlatformName, string(p.Scenario), string(p.Runtime), p.PostgresBind, p.DataVolume}
	for _, image := range []string{p.PostgresImage, p.OdooImage} {
		words = append(words, strings.FieldsFunc(image, func(r rune) bool { return strings.ContainsRune("/:@-", r) })...)
	}
	for _, path := range []string{p.Dir, p.DataDir, p.BackupDir} {
		words = append(words, strings.Split(path, string(filepath.Separator))...)
	}
	return words
}
