// Package shell tells what a shell does with a command line, as far as that can be told without running it: how it
// splits a script into commands, how long the script sleeps, whether it passes signals on. It knows nothing of pods.
package shell

import (
	"slices"
	"strings"
)

// Command is one command of a shell script, as far as it can be told without running it.
type Command struct {
	Words         []string // as the shell sees them, quotes removed; redirections left out
	Assignments   int      // how many of the first words are assignments
	Before, After string   // the operators around it, such as && or a line break; "" at the ends
	Grouped       bool     // it stands in parentheses
	Substitutes   bool     // it has a command substitution
	Writes        bool     // its output goes to a file, other than /dev/null
}

// Opaque tells whether it cannot be told what the command does.
func (c Command) Opaque() bool { return c.Grouped || c.Substitutes }

// Name is the command's own word, without the folder; "" for nothing but assignments.
func (c Command) Name() string {
	if c.Assignments == len(c.Words) {
		return ""
	}
	word := c.Words[c.Assignments]
	return word[strings.LastIndexByte(word, '/')+1:]
}

// maxScript bounds in bytes what is read of a script: nobody writes so much into a manifest but to keep podvet busy.
const maxScript = 64 << 10

// ReadScript splits a script into commands as a shell does: quotes, comments, line continuations, redirections and
// operators. It returns false for one that it cannot read: here-documents, unclosed quotes, more than 64 KiB.
func ReadScript(script string) ([]Command, bool) {
	if len(script) > maxScript {
		return nil, false
	}
	r := scriptReader{text: script}
	for r.at < len(r.text) && !r.failed {
		r.next()
	}
	r.end("")
	return r.commands, !r.failed
}

// scriptReader is where the reading of a script stands.
type scriptReader struct {
	text     string
	at       int
	depth    int  // of parentheses
	closed   bool // a group, behind the operator that ended its last command
	command  Command
	commands []Command
	failed   bool
}

// next reads one word, operator, redirection or comment, or skips blanks.
func (r *scriptReader) next() {
	switch c := r.text[r.at]; c {
	case ' ', '\t', '\r':
		r.at++
	case '#':
		if end := strings.IndexByte(r.text[r.at:], '\n'); end >= 0 {
			r.at += end
		} else {
			r.at = len(r.text)
		}
	case '\n', ';':
		r.at++
		r.end(string(c))
	case '&', '|':
		r.operator()
	case '(':
		r.at++
		r.depth++
		r.command.Grouped = true
	case ')':
		r.at++
		r.depth = max(r.depth-1, 0) // one behind a pattern of case closes nothing
		if len(r.command.Words) > 0 {
			r.command.Grouped = true
		} else {
			r.closed = true
		}
	case '<', '>':
		r.redirection()
	case '\\':
		if strings.HasPrefix(r.text[r.at:], "\\\n") {
			r.at += 2
			return
		}
		r.word()
	default:
		r.word()
	}
}

// operator reads &&, ||, | or &; bash's |& is a pipe, its &> a redirection.
func (r *scriptReader) operator() {
	rest := r.text[r.at:]
	switch {
	case strings.HasPrefix(rest, "&>"):
		r.at++
		r.redirection()
	case strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, "||"):
		r.at += 2
		r.end(rest[:2])
	case strings.HasPrefix(rest, "|&"):
		r.at += 2
		r.end("|")
	default:
		r.at++
		r.end(rest[:1])
	}
}

// redirection skips the operator and the word that it is to.
func (r *scriptReader) redirection() {
	rest := r.text[r.at:]
	operator := rest[:len(rest)-len(strings.TrimLeft(rest, "<>&|"))]
	if strings.Contains(operator, "<<") { // a here-document, whose text is no command
		r.failed = true
		return
	}
	r.at += len(operator)
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\t') {
		r.at++
	}
	words, assignments := r.command.Words, r.command.Assignments
	if r.at < len(r.text) && strings.IndexByte("\n;()", r.text[r.at]) < 0 {
		r.word()
	}
	if read := r.command.Words[len(words):]; strings.Contains(operator, ">") && !strings.HasSuffix(operator, "&") {
		r.command.Writes = r.command.Writes || !slices.Equal(read, []string{"/dev/null"})
	}
	r.command.Words, r.command.Assignments = words, assignments
}

// word reads a word of the command.
func (r *scriptReader) word() {
	var word strings.Builder
	plain, quoted := true, false // nothing but a name so far; some of it in quotes
	assignment := false
	for r.at < len(r.text) && !r.failed {
		c := r.text[r.at]
		switch {
		case strings.IndexByte(" \t\r\n;&|()<>", c) >= 0:
			if (c == '<' || c == '>') && !quoted && word.Len() > 0 && strings.Trim(word.String(), "0123456789") == "" {
				return // the number of what is redirected
			}
			r.add(word.String(), assignment)
			return
		case c == '\\':
			plain = false
			r.escape(&word)
			continue
		case c == '\'' || c == '"':
			plain, quoted = false, true
			r.quotes(&word, c)
			continue
		case c == '$' || c == '`':
			plain = false
			r.expansion(&word)
			continue
		case c == '=':
			assignment = assignment || plain && word.Len() > 0
		case c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9' || word.Len() == 0):
			plain = false
		}
		word.WriteByte(c)
		r.at++
	}
	r.add(word.String(), assignment)
}

func (r *scriptReader) add(word string, assignment bool) {
	if assignment && r.command.Assignments == len(r.command.Words) {
		r.command.Assignments++
	}
	r.command.Words = append(r.command.Words, word)
}

// escape reads a backslash and what follows it; before a line break both are nothing.
func (r *scriptReader) escape(word *strings.Builder) {
	r.at++
	if r.at < len(r.text) {
		if r.text[r.at] != '\n' {
			word.WriteByte(r.text[r.at])
		}
		r.at++
	}
}

// quotes reads up to the closing quote.
func (r *scriptReader) quotes(word *strings.Builder, quote byte) {
	for r.at++; r.at < len(r.text) && !r.failed; {
		c := r.text[r.at]
		switch {
		case c == quote:
			r.at++
			return
		case quote == '"' && c == '\\' && r.at+1 < len(r.text) && strings.IndexByte("$`\"\\\n", r.text[r.at+1]) >= 0:
			r.escape(word)
		case quote == '"' && (c == '$' || c == '`'):
			r.expansion(word)
		default:
			word.WriteByte(c)
			r.at++
		}
	}
	r.failed = true
}

// expansion keeps the text of a variable, and skips a command substitution.
func (r *scriptReader) expansion(word *strings.Builder) {
	rest := r.text[r.at:]
	end := 1
	switch {
	case rest[0] == '`':
		end = strings.IndexByte(rest[1:], '`') + 2
		r.command.Substitutes = true
	case strings.HasPrefix(rest, "$("):
		end = closing(rest, '(', ')')
		r.command.Substitutes = true
	case strings.HasPrefix(rest, "${"):
		end = closing(rest, '{', '}')
	}
	if end <= 0 || rest[0] == '`' && end == 1 {
		r.failed = true
		return
	}
	word.WriteString(rest[:end])
	r.at += end
}

// closing is behind the bracket that closes the first one, 0 where none does.
func closing(text string, open, end byte) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case open:
			depth++
		case end:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// end ends a command with the operator behind it.
func (r *scriptReader) end(operator string) {
	if len(r.command.Words) == 0 {
		if r.closed && len(r.commands) > 0 { // what follows a group belongs to the last command in it
			last := &r.commands[len(r.commands)-1]
			last.Grouped, last.After, r.command.Before = true, operator, operator
		}
		r.command.Grouped, r.closed = r.depth > 0, false
		return
	}
	r.command.After = operator
	r.commands = append(r.commands, r.command)
	r.command = Command{Before: operator, Grouped: r.depth > 0}
}
