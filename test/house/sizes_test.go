package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFileLines     = 400
	maxFunctionLines = 60 // from func to the closing brace
	maxColumns       = 120
	tabColumns       = 4
)

// TestSizes: a file of the product is about one thing, and a function is seen at once.
func TestSizes(t *testing.T) {
	for _, r := range mustRooms(t) {
		t.Run(r.name, func(t *testing.T) {
			report(t, "are too long", r.tooLong())
		})
	}
}

func (r *room) tooLong() (faults []string) {
	for _, file := range r.files {
		if lines := r.positions.File(file.FileStart).LineCount(); lines > maxFileLines {
			faults = append(faults, fmt.Sprintf("%s: %d lines, and %d are the most of a file",
				r.position(file.Pos()).Filename, lines, maxFileLines))
		}
		ast.Inspect(file, func(n ast.Node) bool {
			name := "a function"
			switch f := n.(type) {
			case *ast.FuncDecl:
				name = f.Name.Name
			case *ast.FuncLit:
			default:
				return true
			}
			start, end := r.position(n.Pos()), r.position(n.End())
			lines := end.Line - start.Line + 1
			if lines > maxFunctionLines {
				faults = append(faults, fmt.Sprintf("%s:%d: %s: %d lines, and %d are the most of a function",
					start.Filename, start.Line, name, lines, maxFunctionLines))
			}
			return lines <= maxFunctionLines // what is inside it is no further fault
		})
	}
	return faults
}

// TestColumns: lines of Go fit on a screen, in all modules of the repository and in tests too.
func TestColumns(t *testing.T) {
	faults := map[string][]string{} // by folder
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == ".git" {
			return errOr(err, fs.SkipDir)
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		wide, err := tooWide(name, text)
		folder := filepath.Dir(name)
		faults[folder] = append(faults[folder], wide...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files were found", files)
	}
	for folder, wide := range faults {
		t.Run(folder, func(t *testing.T) {
			report(t, "lines are too wide", wide)
		})
	}
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// tooWide names the lines of a file that are too wide, but for those that cannot be wrapped: a directive like go:embed,
// a comment that is one word, as an address is, and a field with a tag, which has to be one string on the field's line.
func tooWide(name string, text []byte) (faults []string, err error) {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	tagged := map[int]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if field, is := n.(*ast.Field); is && field.Tag != nil {
			tagged[positions.Position(field.Tag.Pos()).Line] = true
		}
		return true
	})
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSuffix(line, "\n")
		columns := utf8.RuneCountInString(line) + (tabColumns-1)*strings.Count(line, "\t")
		comment, isComment := strings.CutPrefix(strings.TrimSpace(line), "// ")
		isWord := isComment && !strings.Contains(comment, " ")
		if columns > maxColumns && !isWord && !strings.HasPrefix(line, "//go:") && !tagged[number] {
			faults = append(faults, fmt.Sprintf("%s:%d: %d columns, and %d are the most of a line",
				name, number, columns, maxColumns))
		}
	}
	return faults, nil
}

// TestSizesAreFound in what is just too long or too wide, and not in what just is not.
func TestSizesAreFound(t *testing.T) {
	for _, c := range []struct{ functionLines, lines, want int }{{60, 400, 0}, {61, 401, 2}} {
		text := "package a\n\nfunc long() {" + strings.Repeat("\n", c.functionLines-1) + "}\n"
		text += strings.Repeat("\n", c.lines-strings.Count(text, "\n"))
		r := &room{name: "a", positions: token.NewFileSet()}
		if err := r.add("a/a.go", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if faults := r.tooLong(); len(faults) != c.want {
			t.Errorf("of %d lines in a function and %d in a file it finds %q", c.functionLines, c.lines, faults)
		}
	}
	for text, want := range map[string]int{
		"//" + strings.Repeat(" x", 57) + "\t":                                           0,
		"//" + strings.Repeat(" x", 57) + "\tx":                                          1,
		"// https://" + strings.Repeat("x", 120):                                         0,
		"//go:embed " + strings.Repeat("x ", 120):                                        0,
		"type a struct { b int `json:\"" + strings.Repeat("x", 120) + "\"` }":            0,
		"type a struct { b, " + strings.Repeat("x", 120) + " int }":                      1,
		"var a = `\n" + strings.Repeat("ä", 120) + "\n" + strings.Repeat("x", 121) + "`": 1,
	} {
		faults, err := tooWide("a.go", []byte("package a\n\n"+text+"\n"))
		if err != nil || len(faults) != want {
			t.Errorf("%s\nwant %d faults: %q, %v", text, want, faults, err)
		}
	}
}
