package apply

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/inputs"
)

// OpenURL is where a browser finds the Odoo that runs now. An override, or a
// compose file of the person's own, may publish a different port than .env says,
// or none: then it is "".
func (s *Run) OpenURL(ctx context.Context) (string, error) {
	if s.Stack == nil {
		return s.URL(), nil
	}
	c, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil {
		return "", err
	}
	url := s.addressOf(c)
	if url == "" {
		s.Term.Say("odpm: service %s does not publish Odoo's port %d on this machine", s.Project.OdooServiceName, s.inside())
	}
	return url, nil
}

// addressOf is where this machine reaches the Odoo in a container, "" where it
// does not.
func (s *Run) addressOf(c engine.Container) string {
	inside := s.inside()
	if c.HostNetwork {
		return address("", inside)
	}
	for _, p := range c.Published {
		if p.Inside == inside {
			return address(p.HostIP, p.HostPort)
		}
	}
	return ""
}

// inside is the port that Odoo listens on in its container.
func (s *Run) inside() int {
	if http, _ := s.Inputs.Listens(); http != 0 {
		return http
	}
	return cmp.Or(inputs.HTTPPort(s.Desired.Parsed, s.Project.OdooMajor), compose.OdooHTTPPort)
}

// URL is where a browser finds Odoo by what the project says.
func (s *Run) URL() string {
	p := s.Project
	if s.Readers.OdooHere(p) {
		here := s.Inputs.Here()
		return address(here.Bind, here.HTTP)
	}
	return address(compose.OdooBind(*p), p.OdooPort)
}

func address(host string, port int) string {
	switch host {
	case "", "0.0.0.0", "127.0.0.1", "::", "::1":
		host = "localhost"
	}
	return fmt.Sprintf("http://%s", net.JoinHostPort(host, strconv.Itoa(port)))
}
