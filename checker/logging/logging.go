// Package logging gives the checker its one-line log: coloured on a terminal,
// logfmt or JSON elsewhere.
package logging

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/odpm/odpm/shared/redact"
)

// New makes the logger, which hides secrets in all that it writes. format is auto, text, logfmt or json; level is debug,
// info, warn or error.
func New(w *os.File, secrets *redact.Values, format, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	tty := term.IsTerminal(int(w.Fd()))
	if format == "auto" {
		format = "logfmt"
		if tty {
			format = "text"
		}
	}
	return slog.New(handler(secrets.Writer(w), format, l, tty && os.Getenv("NO_COLOR") == ""))
}

func handler(w io.Writer, format string, level slog.Level, colour bool) slog.Handler {
	switch format {
	case "json":
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	case "text":
		return tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !colour})
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
}
