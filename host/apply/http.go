package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// silent is for an Odoo that was waited for.
func (s *Run) silent(ctx context.Context, runs, url string) string {
	why := ""
	if err := unanswered(ctx, url); err != nil {
		why = fmt.Sprintf(" (%v)", err)
	}
	return fmt.Sprintf("%s, but has not answered HTTP at %s within %s%s; it keeps running (--wait=false does not wait for an answer)", runs, url, patience(s.Project.Env["ODPM_TIMEOUT"]), why)
}

// answers asks as the function of that name does, and remembers when somebody answered.
func (s *Run) answers(ctx context.Context, url string) bool {
	if !answers(ctx, url) {
		return false
	}
	s.answeredAt = time.Now()
	return true
}

// answers tells whether somebody answers HTTP at url, whatever the answer is.
func answers(ctx context.Context, url string) bool {
	return url != "" && unanswered(ctx, url) == nil
}

// unanswered says why nobody answers HTTP at address. To connect alone says nothing:
// Docker accepts for a container that does not listen yet.
func unanswered(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	// Odoo's own place for the question, which needs no database.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/web/health", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true, DialContext: dialLocal}).RoundTrip(req)
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return errors.New("no answer within half a second")
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), strings.Contains(err.Error(), "server closed"):
			// net/http has an error of its own for an end before its first byte was sent.
			return errors.New("the connection was closed without an answer")
		}
		return err
	}
	resp.Body.Close()
	return nil
}

// dialLocal knows "localhost" itself, as RFC 6761 (6.3) wants it: a machine without
// /etc/hosts asks its name server, which may not know it.
func dialLocal(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "localhost" {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return c, nil
	}
	if c, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("::1", port)); err == nil {
		return c, nil
	}
	return nil, err
}
