package loading

import (
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
)

// logMu guards the library's logger while it is ours: the library writes its
// warnings to the terminal, where only host/ui may write.
var logMu sync.Mutex

// CatchLog keeps what the library logs until release is called.
func CatchLog() (caught *Caught, release func()) {
	logMu.Lock()
	log := logrus.StandardLogger()
	out, hooks := log.Out, log.Hooks
	caught = &Caught{}
	log.SetOutput(io.Discard)
	log.ReplaceHooks(logrus.LevelHooks{logrus.WarnLevel: {caught}})
	return caught, func() {
		log.SetOutput(out)
		log.ReplaceHooks(hooks)
		logMu.Unlock()
	}
}

// Caught keeps the warnings about variables that are not set.
type Caught struct{ Unset []string }

func (c *Caught) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

func (c *Caught) Fire(e *logrus.Entry) error {
	if strings.Contains(e.Message, "variable is not set") && !slices.Contains(c.Unset, e.Message) {
		c.Unset = append(c.Unset, e.Message)
	}
	return nil
}
