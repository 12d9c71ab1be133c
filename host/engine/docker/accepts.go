package docker

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/odpm/odpm/host/engine"
)

// acceptsTime is for one answer over this machine's own loopback or bridge.
const acceptsTime = 2 * time.Second

// accepts asks a published address what pg_isready asks inside, without a
// program in the container: any answer to a startup packet but "not now" is a
// server that lets people in, whether or not it would let in this one. false
// means that it is not known.
func accepts(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, acceptsTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	conn.SetDeadline(end)
	f := pgproto3.NewFrontend(conn, conn)
	f.SetMaxBodyLen(16 << 10)
	f.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "postgres", "database": "postgres"}})
	if f.Flush() != nil {
		return false
	}
	msg, err := f.Receive()
	if err != nil {
		return false
	}
	refused, ok := msg.(*pgproto3.ErrorResponse)
	return !ok || refused.Code != engine.CannotConnectNow
}
