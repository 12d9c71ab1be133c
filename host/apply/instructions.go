package apply

import (
	"path"
	"strings"

	"github.com/odpm/odpm/shared/shell"
)

// keepOrWipe are a person's two ways with data that were at another place: to
// take them along, and, last, to begin with nothing. Both places are directories
// "volume:NAME[/DIRECTORY]" or "external"; image is one that has cp.
func keepOrWipe(previous, current, project, image string) []string {
	if previous == "external" || current == "external" {
		return []string{
			"One of the two is a server that odpm does not run. With the old settings, back up each database NAME:",
			"  odpm -d NAME --db-backup",
			"With the new ones, restore each from its archive FILE:",
			"  odpm -d NAME --db-restore FILE",
		}
	}
	lines := []string{
		"While PostgreSQL and Odoo are stopped:",
		"  docker compose -p " + project + " down        data stays",
		"To keep the old data, copy it:",
		"  " + copyData(previous, current, image),
		"To start over with an empty cluster at the new path (its content is lost):",
	}
	if volume, ok := strings.CutPrefix(current, "volume:"); ok {
		name, _, _ := strings.Cut(volume, "/")
		return append(lines, "  docker volume rm "+shell.Quote(name))
	}
	return append(lines, "  sudo rm -r "+shell.Quote(current))
}

func copyData(from, to, image string) string {
	if !strings.HasPrefix(from, "volume:") && !strings.HasPrefix(to, "volume:") {
		return "sudo cp -a " + shell.Quote(from) + "/. " + shell.Quote(to) + "/"
	}
	source, below := mounted(from, "/from")
	target, into := mounted(to, "/to")
	return "docker run --rm --user 0 -v " + shell.Quote(source+":/from:ro") + " -v " + shell.Quote(target+":/to") +
		" --entrypoint cp " + shell.Quote(image) + " -a " + shell.Quote(below) + "/. " + shell.Quote(into) + "/"
}

// mounted is what is mounted of a place at a directory, and where its data then are.
func mounted(place, at string) (source, data string) {
	volume, ok := strings.CutPrefix(place, "volume:")
	if !ok {
		return place, at
	}
	name, dir, _ := strings.Cut(volume, "/")
	return name, path.Join(at, dir)
}
