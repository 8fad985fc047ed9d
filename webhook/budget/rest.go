package budget

// Span is where in a text a value is, of no length where there is none.
type Span struct{ Begin, End int }

// Of is the value.
func (s Span) Of(text []byte) []byte { return text[s.Begin:s.End] }

// inQuotes is a string without its quotes; nothing of no string.
func (s Span) inQuotes(text []byte) []byte { return text[s.Begin+1 : max(s.Begin+1, s.End-1)] }

// rest is what is left of a body, in its place.
type rest struct {
	body, left []byte
	moved      int // body[moved:] is not yet where it will be
}

// cut takes out the member of an object. Where it does not stand as the API server writes it, only its value is taken
// out, so that what is wrong with the body stays wrong.
func (r *rest) cut(key, value Span) {
	next := r.body[value.End:]
	if key.Begin < r.moved || key.End+1 != value.Begin || len(next) < 2 {
		r.empty(value)
		return
	}
	r.move(key.Begin)
	before := r.left[len(r.left)-1]
	switch {
	case before != '{' && before != ',':
		r.empty(value)
	case next[0] == ',' && next[1] == '"':
		r.moved = value.End + 1
	case next[0] == '}' && before == ',':
		r.left, r.moved = r.left[:len(r.left)-1], value.End
	case next[0] == '}':
		r.moved = value.End
	default:
		r.empty(value)
	}
}

const null = "null"

// empty puts null in the place of a value that is no shorter.
func (r *rest) empty(value Span) {
	if value.End-value.Begin >= len(null) {
		r.move(value.Begin)
		r.left, r.moved = append(r.left, null...), value.End
	}
}

// move moves what stands before a place of the body.
func (r *rest) move(before int) {
	r.left, r.moved = append(r.left, r.body[r.moved:before]...), before
}

// end is all of the rest.
func (r *rest) end() []byte {
	r.move(len(r.body))
	return r.left
}

// at is where in the rest a place of the body is, one that is not moved yet.
func (r *rest) at(place int) int { return len(r.left) + place - r.moved }
