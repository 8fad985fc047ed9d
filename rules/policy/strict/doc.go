// Package strict reads a YAML document into Go values by their JSON tags, names each mistake with its line and what to
// write instead, and writes the JSON Schema of the same values. What a value may be is declared once, on its type or in
// the tags of its field, and holds for both. It knows YAML, Go types, those of Kubernetes that documents hold
// (label selectors and probes), and ConfigMaps, which hold documents. Of podvet's own it knows only how a value names
// its problems. It must not know policies or rules.
//
// The tags of a field, beside json:
//
//	doc      its description in the schema
//	required it must be written; the tag says what to write
//	filled   neither it nor a list or mapping among its own fields may be left empty
package strict
