package budget

import (
	"slices"
	"unicode/utf8"
)

// deepest is how deep podvet looks into an object. The API server takes what is nested 10,000 deep, in managed fields;
// in a review that is deeper still, and over the decoder's own limit.
const deepest = 200

// Parts are where the objects of a review are in its body, and how many containers the pod has that it is about.
type Parts struct {
	Object, OldObject          Span
	Containers, InitContainers int
}

// Envelope is a body without the objects.
func (p Parts) Envelope(body []byte) []byte {
	first, second := p.Object, p.OldObject
	if first.Begin > second.Begin {
		first, second = second, first
	}
	// Mostly there is room enough behind the body.
	rest := slices.Grow(body[len(body):], len(body)-len(first.Of(body))-len(second.Of(body))+2*len("null"))
	from := 0
	for _, object := range []Span{first, second} {
		if object.End > 0 {
			rest = append(append(rest, body[from:object.Begin]...), "null"...)
			from = object.End
		}
	}
	return append(rest, body[from:]...)
}

// level is an object or a list that is open.
type level struct {
	place   place
	object  bool
	element int64
	begin   int // in what is left of the body
}

// Weigh estimates what decoding and judging a body will take at most, in bytes and beyond the body itself, and finds
// the objects in it. What nobody reads and what is nested too deep is taken out of the body: it would be most of what
// decoding costs.
func Weigh(body []byte) (left []byte, takes int64, at Parts) {
	makeValid(body)
	rest := rest{body: body, left: body[:0]}
	open, top, pod := make([]level, 0, deepest), level{place: outside}, false
	var elements [inContainer + 1]int // objects and lists, by where they are
	var text, key Span                // the last string, and that under which the next value is; empty in a list
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			text = Span{i, stringEnd(body, i)}
			takes += textTakes(text.End - i)
			if top.place.unread(key.inQuotes(body)) {
				rest.cut(key, text)
			}
			i = text.End - 1
		case ':':
			if top.object {
				key = text
			}
		case '{', '[':
			if end := top.place.unreadEnd(body, i, key.inQuotes(body)); end > 0 {
				rest.cut(key, Span{i, end})
				i = end - 1
				continue
			}
			if len(open) == deepest {
				end := valueEnd(body, i)
				rest.empty(Span{i, end})
				i = end - 1
				continue
			}
			elements[top.place]++
			w := weightUnder(key.inQuotes(body))
			takes += w.value + w.element
			open = append(open, top)
			top = level{top.place.under(key.inQuotes(body), pod), body[i] == '{', w.element, rest.at(i)}
			key = Span{}
		case '}', ']':
			pod = pod || top.place.namesPod(key.inQuotes(body), text.inQuotes(body))
			switch is := (Span{top.begin, rest.at(i + 1)}); top.place {
			case inObject, inPod:
				at.Object = is
			case inOldObject:
				at.OldObject = is
			}
			if len(open) > 0 {
				top, open = open[len(open)-1], open[:len(open)-1]
			}
			key = Span{}
		case ',':
			pod = pod || top.place.namesPod(key.inQuotes(body), text.inQuotes(body))
			takes += top.element
			key = Span{}
		}
	}
	left = rest.end()
	at.Containers, at.InitContainers = elements[inContainers], elements[inInitContainers]
	envelope := int64(len(left) - len(at.Object.Of(left)) - len(at.OldObject.Of(left))) // is copied to be decoded
	return left, judged(takes) + envelope, at
}

// longText is from which length on, in bytes, a text may pass through more than one decoder on its way to its type.
const longText = 1 << 10

// textTakes is what a text takes: one with escapes is unescaped into room for all of it, then copied. Types with a
// decoder of their own read it into buffers that grow.
func textTakes(length int) int64 {
	if length > longText {
		return int64(length) * 4
	}
	return int64(length) * 3 / 2
}

// makeValid puts a question mark in the place of each byte that is not UTF-8. The API server sends none, and the
// decoder would make three bytes of it.
func makeValid(body []byte) {
	if utf8.Valid(body) {
		return
	}
	for at := 0; at < len(body); {
		r, size := utf8.DecodeRune(body[at:])
		if r == utf8.RuneError && size == 1 {
			body[at] = '?'
		}
		at += size
	}
}
