// Package console writes for a person who looks at a terminal: how wide it is, whether it shows colors, how a text is
// broken into its lines or set in columns, how far a long command is, what is wrong with a command line, and why a
// request failed. It is handed what it writes to and how to read the environment. It must not know what podvet has to
// say: nothing of ours is imported here.
package console
