package strict

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// OrList joins with commas and "or".
func OrList(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// DidYouMean proposes the nearest of the names, when one is near, or else up to three that begin with the word.
func DidYouMean(word string, names []string) string {
	meant := []string{Nearest(word, names)}
	if begin := strings.ToLower(word); meant[0] == "" {
		meant = meant[:0]
		for _, name := range names {
			if len(strings.Trim(begin, "-")) > 2 && strings.HasPrefix(strings.ToLower(name), begin) && len(meant) < 3 {
				meant = append(meant, name)
			}
		}
	}
	if len(meant) == 0 {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", OrList(meant))
}

// Nearest is the nearest of the names, "" when none is near: two changes or a third of the word, and less than half of
// it.
func Nearest(word string, names []string) string {
	best, distance := "", min(max(2, len(word)/3), len(word)/2)+1
	for _, name := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// Entry is the path of an entry of a list.
func Entry(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// Join is the path of a key below another path.
func Join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}
