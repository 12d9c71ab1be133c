package cli

import (
	"slices"
	"strings"
)

// joinOptional lets -i, -u and --db-backup take their value from the next
// argument, and stand alone too: `-u sale,crm`, `-u --set-admin-pass`, `-i`.
// A word of commands is none. pflag knows optional values only as -u=…, so that is what they become.
func joinOptional(args, commands []string) []string {
	long := map[string]string{"-i": "--init", "-u": "--update", "--init": "--init", "--update": "--update", "--db-backup": "--db-backup"}
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		flag, ok := long[args[i]]
		if !ok {
			out = append(out, args[i])
			continue
		}
		if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && !slices.Contains(commands, args[i+1]) {
			i++
			out = append(out, flag+"="+args[i])
			continue
		}
		out = append(out, flag)
	}
	return out
}

// modules splits a list of modules; bare is the flag without a value.
func modules(value string) []string {
	if value == bare {
		return nil
	}
	var out []string
	for _, m := range strings.Split(value, ",") {
		if m = strings.TrimSpace(m); m != "" {
			out = append(out, m)
		}
	}
	return out
}

// bare is what pflag gives for an optional value that is not there; neither a
// module nor an archive is called so.
const bare = "-"
