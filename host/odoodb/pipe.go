package odoodb

import (
	"errors"
	"syscall"
)

// isPipe says whether a write failed because the reader is gone.
func isPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
