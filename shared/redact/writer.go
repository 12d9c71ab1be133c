package redact

import "io"

// Writer hides the secrets in everything that is written through it. A secret
// must not be split over two writes, and no printer of Go's does that.
func (v *Values) Writer(w io.Writer) io.Writer { return &writer{v, w} }

type writer struct {
	v *Values
	w io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	text := string(p)
	hidden := w.v.Hide(text)
	if hidden == text {
		return w.w.Write(p)
	}
	if _, err := io.WriteString(w.w, hidden); err != nil {
		return 0, err
	}
	return len(p), nil
}
