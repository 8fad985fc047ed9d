package house_test

import (
	"cmp"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unreadable are phrases that have no ordinary meaning, so that nobody has to judge a sentence with one, and what to
// write instead.
var unreadable = []struct{ phrase, instead string }{
	{"errs", "every attempt fails"},
	{"for ever", "forever, or without end"},
	{"mend", "fix"},
	{"mends", "fixes"},
	{"mended", "fixed"},
	{"mending", "fixing"},
	{"anew", "again"},
	{"leafs", "leaf certificates"},
	{"fares otherwise", "none is affected"},
	{"stands here a second time", "duplicate key"},
	{"passed over", "skipped"},
	{"is no port", "is not a valid port"},
	{"promise one", "declare a handler in the policy"},
}

// An allowed phrase is one in a file. A comment beside it gives the reason.
type allowed struct{ file, phrase string }

var allowedPhrases []allowed

// read are the files that people read: patterns of path.Match, where a folder in front of /** means all below it. Of Go
// the comments and the text in quotes are read, of all else everything.
var read = []string{
	"README*.md", "CONTRIBUTING.md", "Makefile", ".golangci.yml", ".pre-commit-hooks.yaml",
	".github/**", "docs/**", "charts/**", "examples/**", "rules/catalogue/*/*.md", "rules/catalogue/*/*.yaml",
	"rules/policy/*.yaml", "cmd/podvet/Dockerfile", "cmd/podvet/testdata/*.txtar",
}

// TestWords: nobody stumbles over a phrase that only this project uses.
func TestWords(t *testing.T) {
	files := 0
	used := map[allowed]bool{}
	err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == ".git" {
			return errOr(err, fs.SkipDir)
		}
		name, err := filepath.Rel(root, at)
		if err != nil || entry.IsDir() || name == "test/house/words_test.go" || !isRead(name) {
			return err
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		files++
		for _, found := range unreadableIn(name, text) {
			if i := slices.IndexFunc(allowedPhrases, func(a allowed) bool {
				return a.file == name && a.phrase == found.phrase
			}); i >= 0 {
				used[allowedPhrases[i]] = true
				continue
			}
			t.Errorf("%s:%d: %q: write %s", name, found.line, found.phrase, found.instead)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 400 {
		t.Errorf("only %d files were found", files)
	}
	for _, a := range allowedPhrases {
		if !used[a] {
			t.Errorf("%s has no %q any more: remove it from the list", a.file, a.phrase)
		}
	}
}

func isRead(name string) bool {
	return path.Ext(name) == ".go" || slices.ContainsFunc(read, func(pattern string) bool {
		if folder, all := strings.CutSuffix(pattern, "**"); all {
			return strings.HasPrefix(name, folder)
		}
		matches, err := path.Match(pattern, name)
		if err != nil {
			panic(err) // of a pattern of ours
		}
		return matches
	})
}

// A foundPhrase is one of the unreadable.
type foundPhrase struct {
	line            int
	phrase, instead string
}

// lineStart is what a wrapped sentence has in front of its second line.
var lineStart = regexp.MustCompile(`(?m)^[ \t]*(#+|>|--|\*|<!--)[ \t]`)

// unreadableIn finds phrases in a file, also those that a line break divides.
func unreadableIn(name string, text []byte) (all []foundPhrase) {
	if path.Ext(name) == ".go" {
		text = append(wordsOfGo(text), wordsOfTests(text)...)
	} else {
		text = lineStart.ReplaceAllFunc(text, func(b []byte) []byte { return slices.Repeat([]byte(" "), len(b)) })
	}
	for _, u := range unreadable {
		whole := regexp.MustCompile(`(?i)\b` + strings.ReplaceAll(u.phrase, " ", `\s+`) + `\b`)
		for _, at := range whole.FindAllIndex(text, -1) {
			line := 1 + strings.Count(string(text[:at[0]]), "\n")
			all = append(all, foundPhrase{line, u.phrase, u.instead})
		}
	}
	slices.SortStableFunc(all, func(a, b foundPhrase) int { return cmp.Compare(a.line, b.line) })
	return all
}

// wordsOfGo keeps comments and text of a Go file at their places. Code becomes a character that is in no phrase, except
// what joins the parts of a sentence: comment marks, quotes and +.
func wordsOfGo(text []byte) []byte {
	words := slices.Repeat([]byte{0}, len(text))
	for i, b := range text {
		if b == '\n' || b == ' ' || b == '\t' {
			words[i] = b
		}
	}
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, scanner.ScanComments)
	for {
		pos, tok, literal := s.Scan()
		at := file.Offset(pos)
		switch tok {
		case token.EOF:
			return words
		case token.ADD:
			words[at] = ' '
		case token.COMMENT:
			copy(words[at:], strings.NewReplacer("//", "  ", "/*", "  ", "*/", "  ").Replace(literal))
		case token.STRING:
			literal = "\x20" + literal[1:len(literal)-1] + "\x20"
			copy(words[at:], strings.NewReplacer(`\n`, "  ", `\t`, "  ").Replace(literal))
		}
	}
}

// wordsOfTests are the names of tests as words: whoever runs them reads these.
func wordsOfTests(text []byte) (words []byte) {
	for _, name := range regexp.MustCompile(`(?m)^func (?:Test|Benchmark|Fuzz)(\w+)`).FindAllSubmatch(text, -1) {
		words = append(words, '\n')
		words = append(words, regexp.MustCompile(`[A-Z][a-z]*`).ReplaceAll(name[1], []byte("$0 "))...)
	}
	return words
}

// TestWordsAreFound as whole words, over line breaks and in whatever a person reads of a file, and nowhere else.
func TestWordsAreFound(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"README.md", "It errs.\nIt starts\nAnew and waits for\never.", "1 errs, 3 for ever, 3 anew"},
		{"README.md", "amend, Whatever, passedOver, forever, newly, errors", ""},
		{"docs/policies/a.yaml", "# a comment about what is passed\n# over\na: b", "1 passed over"},
		{"charts/podvet/values.yaml", "port: # 0 is no port", "1 is no port"},
		{"a.go", "package a\n\n// It is passed\n// over.\nvar errs error", "3 passed over"},
		{"a.go", "package a\n\nvar a = \"for \" +\n\t\"ever\"", "3 for ever"},
		{"a.go", "package a\n\nvar a = []string{\"for\", \"ever\"}", ""},
		{"a.go", "package a\n\nfunc TestIsBuiltAnew(t *testing.T) {}\n\nfunc TestAmends() {}", "6 anew"},
		{"a.go", "package a\n\nvar a = `is\nmended`\n\nvar mended = \"x\\nerrs\" + errs", "4 mended, 6 errs"},
	} {
		var found []string
		for _, f := range unreadableIn(c.name, []byte(c.text)) {
			found = append(found, fmt.Sprint(f.line, " ", f.phrase))
		}
		if got := strings.Join(found, ", "); got != c.want {
			t.Errorf("%s\nfinds %q, want %q", c.text, got, c.want)
		}
	}
	for name, want := range map[string]bool{
		"README.ko.md": true, "docs/rules/README.md": true, "rules/catalogue/bare-pod/bad.yaml": true,
		"test/e2e/a_test.go": true, ".github/workflows/ci.yml": true, "cmd/podvet/testdata/fix.txtar": true,
		"go.sum": false, "LICENSE": false, "cmd/podvet/internal/report/testdata/sarif-schema-2.1.0.json": false,
	} {
		if isRead(name) != want {
			t.Errorf("%s is read: %v", name, !want)
		}
	}
}
