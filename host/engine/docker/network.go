package docker

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
)

// Resolved is the address of the container that has a name on one of the networks, as
// the containers there resolve it: a service, an alias or a container's own name. ""
// is none.
func (e *Reader) Resolved(ctx context.Context, networks []string, name string) (string, error) {
	for _, network := range networks {
		list, err := e.cl.running(ctx, "network="+network)
		if err != nil {
			return "", err
		}
		for _, c := range list {
			at := c.NetworkSettings.Networks[network]
			if c.name() == name || slices.Contains(at.Aliases, name) {
				return cmp.Or(at.IPAddress, at.GlobalIPv6Address), nil
			}
		}
	}
	return "", nil
}

// Gateway is the address at which containers reach this machine (host-gateway), "" where
// the engine does not say it.
func (e *Reader) Gateway(ctx context.Context) (string, error) {
	var bridge struct {
		IPAM struct {
			Config []struct{ Gateway, Subnet string }
		}
	}
	if err := e.cl.api.get(ctx, "network inspect", "/networks/bridge", nil, &bridge); err != nil {
		return "", err
	}
	for _, c := range bridge.IPAM.Config {
		if c.Gateway != "" {
			return c.Gateway, nil
		}
		// dockerd says none of a bridge that it has just made, until it is started again.
		// The address is the network's first then.
		if p, err := netip.ParsePrefix(c.Subnet); err == nil {
			return p.Masked().Addr().Next().String(), nil
		}
	}
	return "", nil
}
