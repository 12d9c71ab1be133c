//go:build !linux

package native

import (
	"context"
	"net"
)

// dialAs: elsewhere only the user who owns the server is supported; root has
// no business with a native server there.
func dialAs(ctx context.Context, path string, _ identity) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// listener cannot be asked for in one way on all of them.
func listener(net.Conn) (pid, uid int, known bool) { return 0, 0, false }
