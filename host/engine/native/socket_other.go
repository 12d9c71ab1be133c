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
