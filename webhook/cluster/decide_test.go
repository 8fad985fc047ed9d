package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

const (
	header       = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	auditText    = header + "mode: audit\n"
	warnText     = header + "mode: warn\n"
	unknownText  = header + "rules: {from-the-future: {level: warn}}\n"
	expiringText = header + "exemptions: [{rules: [bare-pod], reason: r, expires: 2030-01-01}]\n"
	badText      = "profil: x\nmode: y\n"

	neverGood = "there never was a good one, so the built-in one is in force and only warns"
	staysGood = "the last good one stays in force"
)

var (
	dayBefore = time.Date(2029, 12, 31, 12, 0, 0, 0, time.UTC)
	expiryDay = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

func present(text, version string) seen { return seen{object: withPolicy(text, version)} }

// copied is a last good policy of a version of its own that was copied from a version of the policy.
func copied(text, from, own string) seen {
	object := withPolicy(text, own)
	object.Annotations = map[string]string{versionAnnotation: from}
	return seen{object: object}
}

var (
	absent = seen{}
	unread = seen{unread: errors.New("not read yet")}
)

// judgingBy is the state of a replica with a policy in force that it loaded on the day before.
func judgingBy(text, source, version string) state {
	p, _, err := load("", text, dayBefore)
	if err != nil {
		panic(err)
	}
	return state{inForce: p, text: text, source: source, version: version}
}

func (s state) having(told string, unkept bool) state {
	s.told, s.unkept = told, unkept
	return s
}

// decided is a step in comparable words.
type decided struct {
	Result, Instead string
	News            bool
	Unknown         int
	Put             string // where the policy that is put in force is from, "" for none
	InForce         string // its hash
	Keep            *lastGood
	CannotKeep      bool
	Again           time.Time
	Version         string
	Unkept          bool
}

func (d step) words() decided {
	words := decided{Result: d.result, Instead: d.instead, News: d.news, Unknown: len(d.unknown),
		Keep:       d.keep,
		CannotKeep: d.cannotKeep != nil, Again: d.again, Version: d.state.version, Unkept: d.state.unkept}
	if d.putInForce {
		words.Put = d.state.source
	}
	if d.state.inForce != nil {
		words.InForce = d.state.inForce.Hash
	}
	return words
}

type decision struct {
	name    string
	before  state
	policy  seen
	kept    seen
	expired bool // it is the day on which the exemption expires
	want    decided
}

func (c decision) test(t *testing.T) {
	v := view{key: types.NamespacedName{Namespace: "n", Name: "policy"}, policy: c.policy, kept: c.kept,
		now: dayBefore}
	if c.expired {
		v.now = expiryDay
	}
	if diff := cmp.Diff(c.want, decide(c.before, v).words(), cmp.AllowUnexported(lastGood{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func hashOf(text string) string { return judgingBy(text, "", "").inForce.Hash }

// TestDecideOnAGoodPolicy: it is in force, and kept unless it is or a newer one is.
func TestDecideOnAGoodPolicy(t *testing.T) {
	audit, warn, expiring := hashOf(auditText), hashOf(warnText), hashOf(expiringText)
	known := judgingBy(auditText, fromConfigMap, "5").having("good "+auditText, false)
	for _, c := range []decision{
		{"the first", state{}, present(auditText, "5"), absent, false,
			decided{Result: good, News: true, Put: fromConfigMap, InForce: audit, Keep: &lastGood{auditText, "5"},
				Version: "5"}},
		{"known and kept", known, present(auditText, "5"), copied(auditText, "5", "6"), false,
			decided{Result: good, InForce: audit, Version: "5"}},
		{"only its ConfigMap is another", known, present(auditText, "7"), copied(auditText, "5", "6"), false,
			decided{Result: good, InForce: audit, Version: "7"}},
		{"changed", known, present(warnText, "7"), copied(auditText, "5", "6"), false,
			decided{Result: good, News: true, Put: fromConfigMap, InForce: warn, Keep: &lastGood{warnText, "7"},
				Version: "7", Unkept: true}},
		{"a newer one is kept", known, present(auditText, "5"), copied(warnText, "8", "9"), false,
			decided{Result: good, InForce: audit, Version: "5"}},
		{"kept from another cluster", known, present(auditText, "5"), copied(warnText, "9000", "9"), false,
			decided{Result: good, InForce: audit, Keep: &lastGood{auditText, "5"}, Version: "5", Unkept: true}},
		{"kept by hand, without a version", known, present(auditText, "5"), present(warnText, "9"), false,
			decided{Result: good, InForce: audit, Keep: &lastGood{auditText, "5"}, Version: "5", Unkept: true}},
		{"the kept one is deleted", known, present(auditText, "5"), absent, false,
			decided{Result: good, InForce: audit, Keep: &lastGood{auditText, "5"}, Version: "5"}},
		{"the kept one is not read", state{}, present(auditText, "5"), unread, false,
			decided{Result: good, News: true, Put: fromConfigMap, InForce: audit, CannotKeep: true, Version: "5"}},
		{"unkept and tried again", known.having(known.told, true), present(auditText, "5"),
			copied(warnText, "3", "4"), false,
			decided{Result: good, InForce: audit, Keep: &lastGood{auditText, "5"}, Version: "5", Unkept: true}},
		{"unkept and then seen", known.having(known.told, true), present(auditText, "5"),
			copied(auditText, "5", "6"), false,
			decided{Result: good, InForce: audit, Version: "5"}},
		{"good again", judgingBy(auditText, fromLastGood, "5").having("bad", false), present(auditText, "7"),
			copied(auditText, "5", "6"), false,
			decided{Result: good, News: true, Put: fromConfigMap, InForce: audit, Version: "7"}},
		{"unknown rules", state{}, present(unknownText, "5"), copied(unknownText, "5", "6"), false,
			decided{Result: good, News: true, Unknown: 1, Put: fromConfigMap, InForce: hashOf(unknownText),
				Version: "5"}},
		{"unknown rules that were told", judgingBy(unknownText, fromConfigMap, "5").having("good "+unknownText, false),
			present(unknownText, "5"), copied(unknownText, "5", "6"), false,
			decided{Result: good, InForce: hashOf(unknownText), Version: "5"}},
		{"before an exemption expires", state{}, present(expiringText, "5"), copied(expiringText, "5", "6"), false,
			decided{Result: good, News: true, Put: fromConfigMap, InForce: expiring, Again: expiryDay, Version: "5"}},
		{"once it has expired", judgingBy(expiringText, fromConfigMap, "5").having("good "+expiringText, false),
			present(expiringText, "5"), copied(expiringText, "5", "6"), true,
			decided{Result: good, Put: fromConfigMap, InForce: expiring, Version: "5"}},
	} {
		t.Run(c.name, c.test)
	}
}

// TestDecideWithoutAGoodPolicy: the kept one is in force, else the replica's own, else the built-in one.
func TestDecideWithoutAGoodPolicy(t *testing.T) {
	audit, warn, builtIn := hashOf(auditText), hashOf(warnText), policy.Default(catalogue.All).Hash
	onlyWarns := policy.Default(catalogue.All).WithMode(policy.ModeWarn).Hash
	_, _, badErr := load(policy.Key, badText, dayBefore)
	bads, emptied := present(badText, "9"), present(" \n", "9")
	own := judgingBy(auditText, fromConfigMap, "5").having("good "+auditText, false)
	unkept := own.having(own.told, true)
	for _, c := range []decision{
		{"bad, a replica that starts", state{}, bads, copied(warnText, "3", "4"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: warn, Version: "3"}},
		{"bad, after a good one", own, bads, copied(auditText, "5", "6"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5"}},
		{"bad, after a good one that another replica followed by a newer", own, bads, copied(warnText, "7", "8"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: warn, Version: "7"}},
		{"bad, and told", judgingBy(auditText, fromLastGood, "5").having(badErr.Error(), false), bads,
			copied(auditText, "5", "6"), false,
			decided{Result: bad, Instead: staysGood, InForce: audit, Version: "5"}},
		{"bad, and there never was a good one", state{}, bads, absent, false,
			decided{Result: bad, Instead: neverGood, News: true, Put: fromDefault, InForce: onlyWarns}},
		{"bad, the kept one is deleted", own, bads, absent, false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit,
				Keep: &lastGood{auditText, "5"}, Version: "5"}},
		{"bad, the last good one that it judges by is deleted", judgingBy(auditText, fromLastGood, "5"),
			bads, absent, false, decided{Result: bad, Instead: staysGood, News: true, InForce: audit,
				Keep: &lastGood{auditText, "5"}, Version: "5"}},
		{"bad, its own is unkept and tried again", unkept, bads, copied(warnText, "3", "4"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit,
				Keep: &lastGood{auditText, "5"}, Version: "5", Unkept: true}},
		{"bad, its own was unkept and is seen", unkept, bads, copied(auditText, "5", "6"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5"}},
		{"bad, its own was unkept and a newer one is kept", unkept, bads, copied(warnText, "7", "8"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: warn, Version: "5"}},
		{"bad, its own is unkept and the kept one is not read", unkept, bads, unread, false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5",
				Unkept: true}},
		{"bad, and so is the kept one", state{}, bads, copied(badText, "3", "4"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromDefault, InForce: onlyWarns, Version: "3"}},
		{"bad, and so is the kept one, but it has its own", own, bads, copied(badText, "3", "4"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "3"}},
		{"bad, the kept one is not read, a replica that starts", state{}, bads, unread, false,
			decided{Result: bad, Instead: neverGood}}, // untold: it may not be so
		{"bad, the kept one expires", state{}, bads, copied(expiringText, "3", "4"), false,
			decided{Result: bad, Instead: staysGood, News: true, Put: fromLastGood, InForce: hashOf(expiringText),
				Again: expiryDay, Version: "3"}},
		{"bad, the kept one has expired", judgingBy(expiringText, fromLastGood, "3").having(badErr.Error(), false),
			bads, copied(expiringText, "3", "4"), true,
			decided{Result: bad, Instead: staysGood, Put: fromLastGood, InForce: hashOf(expiringText), Version: "3"}},

		{"emptied", own, emptied, copied(auditText, "5", "6"), false,
			decided{Result: missing, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5"}},
		{"emptied, the kept one is deleted", own, emptied, absent, false,
			decided{Result: missing, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit,
				Keep: &lastGood{auditText, "5"}, Version: "5"}},
		{"empty from the beginning", state{}, emptied, absent, false,
			decided{Result: missing, Instead: neverGood, News: true, Put: fromDefault, InForce: builtIn}},

		{"deleted", own, absent, copied(auditText, "5", "6"), false,
			decided{Result: missing, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5"}},
		{"deleted, and the kept one too", own, absent, absent, false,
			decided{Result: missing, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5"}},
		{"deleted while its own is unkept", unkept, absent, copied(warnText, "3", "4"), false,
			decided{Result: missing, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5",
				Unkept: true}},
		{"deleted, and the kept one is not read", own, absent, unread, false,
			decided{Result: missing, Instead: staysGood, News: true, Put: fromLastGood, InForce: audit, Version: "5"}},

		{"never there", state{}, absent, absent, false,
			decided{Result: missing, Instead: neverGood, News: true, Put: fromDefault, InForce: builtIn}},
		{"bad, and then never there",
			state{inForce: policy.Default(catalogue.All).WithMode(policy.ModeWarn), source: fromDefault},
			absent, absent, false,
			decided{Result: missing, Instead: neverGood, News: true, Put: fromDefault, InForce: builtIn}},
		{"never there, and the kept one is not read", state{}, absent, unread, false,
			decided{Result: missing, Instead: neverGood}},

		{"nothing is read", state{}, unread, unread, false, decided{}},
		{"not read, and none is kept", state{}, unread, absent, false, decided{}},
		{"not read, the kept one is", state{}, unread, copied(warnText, "3", "4"), false,
			decided{Put: fromLastGood, InForce: warn, Version: "3"}},
		{"not read, the kept one is bad", state{}, unread, copied(badText, "3", "4"), false, decided{Version: "3"}},
	} {
		t.Run(c.name, c.test)
	}
}
