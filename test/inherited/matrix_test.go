package inherited_test

import (
	"testing"

	"github.com/odpm/odpm/host/cluster"
)

type cell struct {
	before error
	shown  []string
	report cluster.Report
}

type matrix struct{}

func (m *matrix) add(s state, major int, c cell) {}
func (m *matrix) check(t *testing.T)             {}
