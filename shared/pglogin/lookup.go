package pglogin

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// lookupTTL is how long a resolved name is believed while its address refuses:
// the wait polls many times a second, and a DNS question costs more than a
// refused connection.
const lookupTTL = time.Second

type lookupCache struct {
	resolve pgconn.LookupFunc

	mu    sync.Mutex
	known map[string]lookupEntry
}

type lookupEntry struct {
	addrs []string
	until time.Time
}

func (l *lookupCache) find(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	l.mu.Lock()
	e, ok := l.known[host]
	l.mu.Unlock()
	if ok && time.Now().Before(e.until) {
		return e.addrs, nil
	}
	addrs, err := l.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]lookupEntry{}
	}
	l.known[host] = lookupEntry{addrs, time.Now().Add(lookupTTL)}
	return addrs, nil
}

func (l *lookupCache) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = nil
}
