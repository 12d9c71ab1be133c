package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// refusing is a server that Dial reaches and that lets nobody in.
type refusing struct{ Server }

func (refusing) Dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		io.ReadFull(theirs, make([]byte, 8))
		go io.Copy(io.Discard, theirs)
		theirs.Write(message('E', "SFATAL\x00C57P03\x00Mstarting\x00\x00"))
		theirs.Close()
	}()
	return ours, nil
}

// unreachable is a server that nobody reaches.
type unreachable struct{ Server }

func (unreachable) Dial(context.Context) (net.Conn, error) {
	return nil, errors.New("the socket is gone")
}

// TestLoginErrorNamesNoAddress: the address that pgx is given is nobody's.
func TestLoginErrorNamesNoAddress(t *testing.T) {
	_, err := Connect(t.Context(), refusing{}, Login{User: "boss", Database: "postgres"})
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || strings.Contains(err.Error(), "localhost") || !strings.Contains(err.Error(), "user=boss database=postgres`: server error: FATAL: starting (SQLSTATE 57P03)") {
		t.Error(err)
	}
	_, err = Connect(t.Context(), unreachable{}, Login{User: "boss", Database: "postgres"})
	if err == nil || strings.Contains(err.Error(), "localhost") || !strings.Contains(err.Error(), "the socket is gone") {
		t.Error(err)
	}
}
