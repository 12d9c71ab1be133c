package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/odpm/odpm/host/wording"
)

// api asks the engine over its local socket where the docker client would use
// that too, and else over a connection that the client makes (`docker system
// dial-stdio`, as it does for engines behind ssh): contexts, remote engines and
// certificates are the client's as everywhere here, and a run's hundred
// questions cost a millisecond each and not a process.
type api struct {
	c    client
	http http.Client
	// socket is asked for once; "" leaves the way to the client.
	socket func() string

	mu sync.Mutex
	// version is what the engine speaks, "v1.41"; "" before it was asked.
	version string
	// server is the answer's header of that name, "Docker/20.10.24 (linux)".
	server string
	// last is the process behind the newest connection.
	last *dialled
}

// apiIdle is how long a connection, and its process, outlives its last use.
const apiIdle = 10 * time.Second

func newAPI(c client) *api {
	a := &api{c: c, socket: sync.OnceValue(c.socket)}
	// The whole answer, its body too.
	a.http.Timeout = answerTime
	a.http.Transport = &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return a.dial() },
		MaxConnsPerHost:    2,
		IdleConnTimeout:    apiIdle,
		DisableCompression: true,
	}
	return a
}

// dialled is a connection and the docker client that carries it.
type dialled struct {
	net.Conn
	errs  wording.Tail
	ended chan struct{}
	err   error
}

func (a *api) dial() (net.Conn, error) {
	if path := a.socket(); path != "" {
		if conn, err := net.DialTimeout("unix", path, a.c.answer); err == nil {
			return conn, nil
		}
		// The client says in its own words why not.
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	d := &dialled{Conn: ours, errs: wording.Tail{Max: 4 << 10}, ended: make(chan struct{})}
	cmd := a.c.command(context.Background(), "system", "dial-stdio")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, &d.errs
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	go func() {
		d.err = cmd.Wait()
		close(d.ended)
	}()
	a.mu.Lock()
	a.last = d
	a.mu.Unlock()
	return d, nil
}

// failed finds out why a connection broke: the client has said it.
func (a *api) failed(ctx context.Context, verb []string, err error) error {
	if ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) {
		return failure(ctx, verb, errors.Join(err, ctx.Err()), "")
	}
	a.mu.Lock()
	last := a.last
	a.mu.Unlock()
	if last != nil {
		select {
		case <-last.ended:
			if said := last.errs.String(); said != "" {
				return failure(ctx, verb, last.err, said)
			}
		case <-time.After(2 * time.Second):
		}
	}
	return fmt.Errorf("%s: %w", strings.Join(append([]string{Program}, verb...), " "), err)
}

// do asks; verb is the docker command of the same meaning, for errors. The
// caller closes the body. An answer that is no success is a *Failure.
func (a *api) do(ctx context.Context, verb, method, path string, query url.Values, body any) (*http.Response, error) {
	version, err := a.speaks(ctx, verb)
	if err != nil {
		return nil, err
	}
	resp, err := a.send(ctx, verb, method, version+path, query, body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer finish(resp)
		var said struct{ Message string }
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
		if json.Unmarshal(text, &said) != nil || said.Message == "" {
			said.Message = strings.TrimSpace(string(text))
		}
		return nil, &Failure{Verb: Program + " " + verb, HTTP: resp.StatusCode, Stderr: wording.LastLines(clean(said.Message), 12)}
	}
	return resp, nil
}

func (a *api) send(ctx context.Context, verb, method, path string, query url.Values, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	}
	// The host means nothing: the connection leads to the engine.
	u := url.URL{Scheme: "http", Host: "docker", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, a.failed(ctx, strings.Fields(verb), err)
	}
	return resp, nil
}

// speaks asks for the engine's version of the API once; paths without one are
// about to go.
func (a *api) speaks(ctx context.Context, verb string) (string, error) {
	a.mu.Lock()
	version := a.version
	a.mu.Unlock()
	if version != "" {
		return version, nil
	}
	resp, err := a.send(ctx, verb, http.MethodGet, "/_ping", nil, nil)
	if err != nil {
		return "", err
	}
	finish(resp)
	v := resp.Header.Get("Api-Version")
	if resp.StatusCode != http.StatusOK || v == "" {
		return "", fmt.Errorf("%s %s: what docker connects to is not a Docker engine (%s)", Program, verb, resp.Status)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version, a.server = "/v"+known(v), resp.Header.Get("Server")
	return a.version, nil
}

// docker tells Docker's own engine, once it has answered, from one that speaks
// its language.
func (a *api) docker() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.HasPrefix(a.server, "Docker/")
}

// newest is the newest version of the API whose answers this code was written
// for: an engine may change them in the next, and speaks the older ones too
// (https://docs.docker.com/reference/api/engine/version-history/).
const newest = "1.47"

// known is the engine's version, or ours where that is older.
func known(engines string) string {
	if major, minor, ok := apiVersion(engines); ok {
		if ourMajor, ourMinor, _ := apiVersion(newest); major > ourMajor || major == ourMajor && minor > ourMinor {
			return newest
		}
	}
	return engines
}

func apiVersion(s string) (major, minor int, ok bool) {
	a, b, ok := strings.Cut(s, ".")
	major, err := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	return major, minor, ok && err == nil && err2 == nil
}

// finish reads what is left of an answer: a connection with something in it
// cannot be used again.
func finish(resp *http.Response) {
	io.Copy(io.Discard, io.LimitReader(resp.Body, fileLimit))
	resp.Body.Close()
}

// get reads an answer's JSON.
func (a *api) get(ctx context.Context, verb, path string, query url.Values, into any) error {
	return a.ask(ctx, verb, http.MethodGet, path, query, nil, into)
}

func (a *api) ask(ctx context.Context, verb, method, path string, query url.Values, body, into any) error {
	resp, err := a.do(ctx, verb, method, path, query, body)
	if err != nil {
		return err
	}
	defer finish(resp)
	answer := &io.LimitedReader{R: resp.Body, N: documentSize}
	if err := json.NewDecoder(answer).Decode(into); err != nil {
		if answer.N == 0 {
			err = fmt.Errorf("the engine's answer is larger than %d bytes", documentSize)
		}
		return fmt.Errorf("%s %s: %w", Program, verb, err)
	}
	return nil
}
