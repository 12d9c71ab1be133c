package apply

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestUnanswered: the error says why Odoo does not answer.
func TestUnanswered(t *testing.T) {
	listen := func(serve func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				serve(c)
			}
		}()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return "http://localhost:" + port
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
