package budget

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// cursor reads JSON without spaces, each value as what it is asked for. At anything else it fails, as it does where
// what it reads would take too much memory: it goes to the end of the body, and nothing more is read.
type cursor struct {
	body        []byte
	at          int
	key         []byte          // of the member that is read
	kept        strings.Builder // strings share its room: one for each would be most of what is allocated
	takes, most int64           // bytes
	failed      bool
}

// What the types of a pod take at most, in bytes: a member, an object or a list, an element or an entry beside what is
// in it. TestPlainTakes compares.
const (
	keptAtOnce = 512 // what the strings of most pods take
	perMember  = 64
	perValue   = 128
	perElement = 256
)

func (c *cursor) fail() { c.failed, c.at = true, len(c.body) }

func (c *cursor) take(bytes int) {
	if c.takes += int64(bytes); c.takes > c.most {
		c.fail()
	}
}

// next tells whether a byte comes next.
func (c *cursor) next(b byte) bool { return c.at < len(c.body) && c.body[c.at] == b }

// eat reads a byte if it comes next.
func (c *cursor) eat(b byte) bool {
	is := c.next(b)
	if is {
		c.at++
	}
	return is
}

func (c *cursor) expect(b byte) {
	if !c.eat(b) {
		c.fail()
	}
}

// word reads a literal if it comes next.
func (c *cursor) word(literal string) bool {
	end := c.at + len(literal)
	is := end <= len(c.body) && string(c.body[c.at:end]) == literal
	if is {
		c.at = end
	}
	return is
}

func (c *cursor) null() {
	if !c.word("null") {
		c.fail()
	}
}

func (c *cursor) bool() bool {
	switch {
	case c.word("true"):
		return true
	case !c.word("false"):
		c.fail()
	}
	return false
}

// mostDigits is how long the longest number of 64 bits is, with its sign. An error would quote a longer one.
const mostDigits = 20

// int reads a whole number of so many bits.
func (c *cursor) int(bits int) int64 {
	begin := c.at
	c.eat('-')
	first := c.at
	for c.at < min(len(c.body), begin+mostDigits) && '0' <= c.body[c.at] && c.body[c.at] <= '9' {
		c.at++
	}
	n, err := strconv.ParseInt(string(c.body[begin:c.at]), 10, bits)
	if err != nil || c.at > first+1 && c.body[first] == '0' {
		c.fail()
	}
	return n
}

func (c *cursor) int32() int32 { return int32(c.int(32)) }

func (c *cursor) string() string { return c.keep(c.quoted()) }

// keep makes a string of a text.
func (c *cursor) keep(text []byte) string {
	if c.kept.Cap()-c.kept.Len() < len(text) {
		room := max(len(text), keptAtOnce)
		if c.take(room); c.failed {
			return ""
		}
		c.kept.Reset()
		c.kept.Grow(room)
		c.take(c.kept.Cap() - room)
	}
	c.kept.Write(text)
	all := c.kept.String()
	return all[len(all)-len(text):]
}

// ordinary are the bytes of most strings: ASCII that is no control, no quote and no backslash.
var ordinary = func() (is [256]bool) {
	for b := range is {
		is[b] = ' ' <= b && b < utf8.RuneSelf && b != '"' && b != '\\'
	}
	return is
}()

// quoted reads a string: a part of the body, unless it has escapes.
func (c *cursor) quoted() []byte {
	c.expect('"')
	begin, ascii := c.at, true
	for i := begin; i < len(c.body); i++ {
		b := c.body[i]
		if ordinary[b] {
			continue
		}
		switch {
		case b == '"':
			text := c.body[begin:i]
			if c.at = i + 1; !ascii && !utf8.Valid(text) {
				c.fail()
			}
			return text
		case b == '\\':
			return c.unquoted(begin - 1)
		case b < ' ':
			c.fail()
			return nil
		}
		ascii = false
	}
	c.fail()
	return nil
}

func (c *cursor) unquoted(begin int) []byte {
	c.at = stringEnd(c.body, begin)
	text := c.body[begin:c.at]
	if c.take(len(text)); c.failed {
		return nil
	}
	text, err := jsontext.AppendUnquote(nil, text)
	if err != nil {
		c.fail()
	}
	return text
}

// object reads an object, and with member the value under each key. No key has escapes.
func (c *cursor) object(member func(key []byte)) {
	c.take(perValue)
	c.expect('{')
	if c.eat('}') {
		return
	}
	for more := true; more; more = c.eat(',') {
		c.take(perMember)
		begin := c.at
		c.key = c.quoted()
		if c.at-begin > len(c.key)+len(`""`) { // then what is not read would be told by another name
			c.fail()
		}
		c.expect(':')
		member(c.key)
	}
	c.expect('}')
}

// only is object for one that has no other member.
func (c *cursor) only(name string, value func()) {
	c.object(func(key []byte) {
		if string(key) != name {
			c.fail()
			return
		}
		value()
	})
}

func (c *cursor) list(element func()) {
	c.take(perValue)
	c.expect('[')
	if c.eat(']') {
		return
	}
	for more := true; more; more = c.eat(',') {
		c.take(perElement)
		element()
	}
	c.expect(']')
}

func (c *cursor) strings() []string {
	all := []string{}
	c.list(func() { all = append(all, c.string()) })
	return all
}

func (c *cursor) texts() map[string]string {
	all := map[string]string{}
	c.object(func(key []byte) {
		c.take(perElement)
		name := c.keep(key)
		all[name] = c.string()
	})
	return all
}

// pass goes over the value of the member that is read. It fails if somebody reads it, so that nothing is overlooked.
func (c *cursor) pass(p place) {
	switch {
	case !p.unread(c.key):
		c.fail()
	case c.next('"'):
		c.at = stringEnd(c.body, c.at)
	case c.next('{') || c.next('['):
		c.at = valueEnd(c.body, c.at)
	default:
		c.null()
	}
}
