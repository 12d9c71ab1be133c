package adminpass

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
)

// ab64 is passlib's "adapted base64": the standard alphabet with '.' in the
// place of '+', without padding.
var ab64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding)

// hashPassword makes the string that passlib's pbkdf2_sha512 makes:
// $pbkdf2-sha512$ROUNDS$SALT$CHECKSUM with 16 bytes of salt and 64 of checksum.
// It returns when ctx ends; what it was computing then ends by itself, in the
// seconds that maxRounds allow.
func hashPassword(ctx context.Context, password string, rounds int) (string, error) {
	type result struct {
		hash string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		hash, err := pbkdf2SHA512(password, rounds)
		done <- result{hash, err}
	}()
	select {
	case r := <-done:
		return r.hash, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func pbkdf2SHA512(password string, rounds int) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key, err := pbkdf2.Key(sha512.New, password, salt, rounds, sha512.Size)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	return fmt.Sprintf("$pbkdf2-sha512$%d$%s$%s", rounds, ab64.EncodeToString(salt), ab64.EncodeToString(key)), nil
}
