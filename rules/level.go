package rules

// Level is how loud a finding is.
type Level uint8

// The levels, from silent to refusing.
const (
	Off   Level = iota // neither finds nor fixes
	Audit              // admitted, only recorded
	Warn               // admitted, the user sees a warning
	Deny               // refused
)

var levelNames = [...]string{"off", "audit", "warn", "deny"}

func (l Level) String() string { return levelNames[l] }

// MarshalText writes the level as policies and reports spell it.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// ParseLevel reads a level as policies spell it.
func ParseLevel(s string) (Level, bool) { return parseName[Level](levelNames[:], s) }

// Profile chooses the level of every rule at once.
type Profile uint8

// The profiles, from lenient to strict.
const (
	Minimal Profile = iota
	Recommended
	Strict
)

var profileNames = [...]string{"minimal", "recommended", "strict"}

func (p Profile) String() string { return profileNames[p] }

// ParseProfile reads a profile as policies spell it.
func ParseProfile(s string) (Profile, bool) { return parseName[Profile](profileNames[:], s) }

func parseName[T ~uint8](names []string, s string) (T, bool) {
	for i, name := range names {
		if name == s {
			return T(i), true
		}
	}
	return 0, false
}

// Levels are a rule's levels in the profiles minimal, recommended and strict.
type Levels [3]Level
