package sqldump

import "bytes"

// Rows is a writer that takes COPY data apart (text format: tab between
// columns, newline after rows, both escaped inside of values). Values of
// columns that nobody wants are not kept, however large they are.
type Rows struct {
	// N counts the rows.
	N int64

	each func(values []string)
	want map[int]int // column → place in values
	// first is what rows that matter begin with; see From.
	first []byte
	// state of the row that is being read
	partial bool
	col     int
	raw     [][]byte
	values  []string
}

// maxValue bounds the values that are kept; the rest of a longer one is cut.
const maxValue = 1 << 12

// NewRows calls each with the named columns' values; NULL is "". Without names
// it only counts.
func NewRows(columns, names []string, each func(values []string)) *Rows {
	r := &Rows{each: each, want: map[int]int{}}
	for place, n := range names {
		for i, c := range columns {
			if c == n {
				r.want[i] = place
			}
		}
	}
	r.raw, r.values = make([][]byte, len(names)), make([]string, len(names))
	return r
}

// From passes over rows whose first column is another value, as far as that is
// cheaply seen: those that come in parts go to each anyway. The value has no
// character that COPY escapes.
func (r *Rows) From(value string) *Rows {
	r.first = []byte(value + "\t")
	return r
}

func (r *Rows) Write(p []byte) (int, error) {
	n := len(p)
	if len(r.want) == 0 {
		r.N += int64(bytes.Count(p, []byte{'\n'}))
		return n, nil
	}
	for len(p) > 0 {
		line, ended := p, false
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			line, ended = p[:i], true
			p = p[i+1:]
			if !r.partial && !bytes.HasPrefix(line, r.first) {
				r.N++
				continue
			}
		} else {
			p = nil
		}
		r.part(line)
		r.partial = !ended
		if ended {
			r.endRow()
		}
	}
	return n, nil
}

// part takes a stretch of one row.
func (r *Rows) part(line []byte) {
	for {
		i := bytes.IndexByte(line, '\t')
		value := line
		if i >= 0 {
			value = line[:i]
		}
		if place, ok := r.want[r.col]; ok && len(r.raw[place])+len(value) <= maxValue {
			r.raw[place] = append(r.raw[place], value...)
		}
		if i < 0 {
			return
		}
		r.col++
		line = line[i+1:]
	}
}

func (r *Rows) endRow() {
	r.N++
	// A dump whose lines Windows ends: a carriage return of a value's own is escaped.
	if place, ok := r.want[r.col]; ok {
		r.raw[place] = bytes.TrimSuffix(r.raw[place], []byte{'\r'})
	}
	r.col = 0
	for i, raw := range r.raw {
		r.values[i] = copyValue(raw)
		r.raw[i] = raw[:0]
	}
	r.each(r.values)
}

// copyValue undoes the escapes that COPY TO writes.
func copyValue(raw []byte) string {
	if string(raw) == `\N` {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		b := raw[i]
		if b == '\\' && i+1 < len(raw) {
			i++
			switch b = raw[i]; b {
			case 'b':
				b = '\b'
			case 'f':
				b = '\f'
			case 'n':
				b = '\n'
			case 'r':
				b = '\r'
			case 't':
				b = '\t'
			case 'v':
				b = '\v'
			}
		}
		out = append(out, b)
	}
	return string(out)
}
