package apply

import (
	"path"
	"strings"

	"github.com/odpm/odpm/shared/shell"
)

// keepOrWipe are a person's two ways with data that were at another place: to
// take them along, and, last, to begin with nothing. Both places are directories,
// "volume:NAME[/DIRECTORY]", or what project.DataPath says otherwise; image is one
// that has cp.
func keepOrWipe(previous, current, project, image string) []string {
	if !hasFiles(previous) || !hasFiles(current) {
		return []string{
			"This data cannot be copied as files. With the old settings, back up each database NAME:",
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
		// odpm makes no volume: a misspelt name would be a new cluster.
		return append(lines, "  docker volume rm "+shell.Quote(name)+" && docker volume create "+shell.Quote(name))
	}
	return append(lines, "  sudo rm -r "+shell.Quote(current))
}

// hasFiles tells whether files can be copied from or to a place: not to the server
// of somebody else, nor to a volume without a name.
func hasFiles(place string) bool { return path.IsAbs(place) || strings.HasPrefix(place, "volume:") }

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
