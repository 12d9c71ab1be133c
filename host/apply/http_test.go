package apply

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/odpm/odpm/test/peer"
)

// TestUnanswered: the error says why Odoo does not answer.
func TestUnanswered(t *testing.T) {
	listen := func(serve func(net.Conn)) string {
		return fmt.Sprintf("http://localhost:%d", peer.Serve(t, serve).Port)
	}
	closed := listen(func(c net.Conn) { c.Close() })
	silent := listen(func(c net.Conn) { t.Cleanup(func() { c.Close() }) })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + free.Addr().String()
	free.Close()
	for address, want := range map[string]string{
		nobody: "connection refused", closed: "closed without an answer", silent: "no answer within half a second",
		"http://nowhere.invalid:1": "lookup nowhere.invalid",
	} {
		if err := unanswered(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	// Odoo without the path that it is asked for has answered all the same.
	odoo := httptest.NewServer(http.NotFoundHandler())
	defer odoo.Close()
	for _, address := range []string{odoo.URL, strings.Replace(odoo.URL, "127.0.0.1", "localhost", 1)} {
		if err := unanswered(t.Context(), address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
