package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/server"
)

// output starts a program and gives its standard output.
func output(ctx context.Context, s *server.Server, cmd engine.Command) (*programOutput, error) {
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &programOutput{name: cmd.Argv[0], r: pr, cancel: cancel, ended: make(chan struct{}), roomy: enlarge(pw)}
	cmd.Stdout = pw
	go func() {
		defer close(p.ended)
		p.err = s.Programs.Command(ctx, cmd)
		pw.Close()
	}()
	return p, nil
}

// programOutput is a program's standard output. Its end is the end only if the
// program says that all went well.
type programOutput struct {
	name   string
	r      *os.File
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
	// roomy: the pipe holds what the program writes during a pause.
	roomy bool
}

// pause is how long the next read waits after one that found little. pg_dump writes 4 KiB
// at a time, and whoever takes each of them at once is woken 250,000 times for a
// gigabyte, and the processor with him. A pipe of pipeSize is not full so soon.
const pause, pipeSize = time.Millisecond, 1 << 20

// silence is how long a program may go without a byte: longer than pg_dump
// waits for anything but a lock that nobody gives up.
const silence = 30 * time.Minute

func (p *programOutput) Read(b []byte) (int, error) {
	_ = p.r.SetReadDeadline(time.Now().Add(silence)) // pipes have them
	n, err := p.r.Read(b)
	if p.roomy && err == nil && n < len(b)/2 {
		time.Sleep(pause)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.cancel()
		return n, fmt.Errorf("%s has written nothing for %s", p.name, silence)
	}
	if err == io.EOF {
		<-p.ended
		if p.err != nil {
			err = p.err
		}
	}
	return n, err
}

// Close ends the program if it still runs.
func (p *programOutput) Close() error {
	p.cancel()
	err := p.r.Close()
	<-p.ended
	return err
}
