// Package policy decides how loud each rule is and whether its fix is applied, by a policy document: for everyone, in
// scopes, and where an exemption holds. A document is read once, by package strict, into a Document. From it come the
// Policy in force, advice on what is written, and an explanation of what decided. The package is handed the catalogue
// of rules. It must not know single rules, and has no clients, no I/O and no clock: it is told the time.
package policy
