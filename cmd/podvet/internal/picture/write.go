package picture

import (
	"fmt"
	"io"
)

// Formats are those that Write knows.
var Formats = []string{"text", "svg", "json"}

// Write writes timelines in a format.
func Write(w io.Writer, format string, all []Timeline) error {
	switch {
	case format == "json":
		return JSON(w, all)
	case format == "svg" && len(all) > 1:
		return fmt.Errorf("-o svg draws one pod, and there are %d: split the file, or write -o text or -o json",
			len(all))
	case format == "svg" && len(all) == 1:
		_, err := io.WriteString(w, SVG(all[0]))
		return err
	}
	for i, t := range all {
		text := Text(t)
		if i > 0 {
			text = "\n" + text
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}
