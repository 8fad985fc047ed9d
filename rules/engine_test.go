package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// pages are complete folders for some ids.
func pages(ids ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, id := range ids {
		for _, name := range []string{"rule.md", "bad.yaml", "good.yaml"} {
			files[id+"/"+name] = &fstest.MapFile{}
		}
	}
	return files
}

var everywhere = rules.Levels{rules.Warn, rules.Warn, rules.Warn}

// planOf is a plan with all of some rules at warn, and their fixes as their FixByDefault says or, asked, all of them.
func planOf(t *testing.T, options rules.Options, asked bool, list ...*rules.Rule) *rules.Plan {
	t.Helper()
	var ids []string
	var fixes []*rules.Rule
	settings := make([]rules.Setting, len(list))
	for i, r := range list {
		ids = append(ids, r.ID)
		settings[i].Level = rules.Warn
		if r.HasFix() {
			fixes = append(fixes, r)
			if asked {
				settings[i].Fix = rules.AskedFix
			} else if r.FixByDefault {
				settings[i].Fix = rules.DefaultFix
			}
		}
	}
	c, err := rules.NewCatalogue(list, fixes, pages(ids...))
	if err != nil {
		t.Fatal(err)
	}
	if options.Most == rules.Off {
		options.Most = rules.Deny
	}
	return c.NewPlan(settings, options)
}

func none(*rules.Pass, rules.None) {}

func report(field string) func(*rules.Pass, rules.None) {
	return func(p *rules.Pass, _ rules.None) { p.Report(field, "%s", "found") }
}

// tcp is a probe of a port.
func tcp(port intstr.IntOrString) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}}
}

func subject(t *testing.T, change func(*corev1.Pod)) *pod.Subject {
	t.Helper()
	p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Name: "app", LivenessProbe: tcp(intstr.FromInt32(80))},
	}}}
	if change != nil {
		change(p)
	}
	s, ok := pod.Read(p)
	if !ok {
		t.Fatal("not judged")
	}
	return s
}

func TestNewCatalogueNamesAllThatIsWrong(t *testing.T) {
	one := rules.ForPodWith(rules.Rule{ID: "rule-one", Group: rules.Ports, Title: "x"}, rules.None{}, none, nil)
	absent := rules.ForPodWith(rules.Rule{ID: "rule-absent", Title: "x"}, rules.None{}, none, nil)
	early := rules.ForContainerWith(rules.Rule{ID: "Bad_ID", FixByDefault: true, YieldsTo: []*rules.Rule{absent}},
		rules.None{}, none, nil)
	fixing := rules.ForPodWith(rules.Rule{ID: "rule-fix", Group: rules.Ports, Title: "x"}, rules.None{}, none, none)
	c, err := rules.NewCatalogue([]*rules.Rule{one, early, fixing, one}, []*rules.Rule{one, absent}, pages("rule-one"))
	want := `rule Bad_ID: group Presence comes before Ports: move it up in the list
rule Bad_ID: an id is words in lower case, joined by hyphens
rule Bad_ID: no Title: say the defect in a few words
rule Bad_ID: Who.Containers is empty: say which classes of containers it is about
rule Bad_ID: FixByDefault without a fix
rule Bad_ID: yields to rule-absent, which is not in the list
rule Bad_ID: no page: write Bad_ID/rule.md
rule Bad_ID: no fixture: write Bad_ID/bad.yaml
rule Bad_ID: no fixture: write Bad_ID/good.yaml
rule rule-fix: a fix belongs to a container: declare it with ForContainer, ForProbe or ForHook
rule rule-fix: no page: write rule-fix/rule.md
rule rule-fix: no fixture: write rule-fix/bad.yaml
rule rule-fix: no fixture: write rule-fix/good.yaml
rule rule-one: listed twice
the order of fixes has rule-one, which has no fix
the order of fixes has rule-absent, which is not in the list of rules
rule rule-fix: its fix is missing in the order of fixes`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Lookup("rule-one") != one {
		t.Error("the catalogue cannot be used")
	}
}

// TestWhatARuleIsCalledFor: each kind of rule with each restriction, by what it finds in one pod and one template.
func TestWhatARuleIsCalledFor(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	fill := func(spec *corev1.PodSpec) {
		hook := &corev1.Lifecycle{
			PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"a"}}},
			PreStop:   &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 1}},
		}
		spec.InitContainers = []corev1.Container{{Name: "init"}, {Name: "side", RestartPolicy: &always}}
		spec.Containers = []corev1.Container{{Name: "app", Lifecycle: hook,
			LivenessProbe: tcp(intstr.FromInt32(80)), StartupProbe: tcp(intstr.FromString("absent"))}}
	}
	p := &corev1.Pod{}
	fill(&p.Spec)
	s, _ := pod.Read(p)
	about := func(w rules.Who) rules.Rule { return rules.Rule{ID: "a-rule", Title: "x", Levels: everywhere, Who: w} }
	probe := func(w rules.Who) *rules.Rule {
		return rules.ForProbeWith(about(w), rules.None{},
			func(p *rules.Pass, _ rules.None) { p.Report(p.Probe.Kind.String(), "%s", "found") }, nil)
	}
	hook := func(w rules.Who) *rules.Rule {
		return rules.ForHook(about(w),
			func(p *rules.Pass) { p.Report("lifecycle."+p.Hook.Kind.String(), "%s", "found") })
	}
	container := func(w rules.Who) *rules.Rule {
		return rules.ForContainerWith(about(w), rules.None{}, report(""), nil)
	}
	pods := func(w rules.Who) *rules.Rule { return rules.ForPodWith(about(w), rules.None{}, report(""), nil) }
	every := pod.Init | pod.Sidecar | pod.App
	plan := rules.Options{Kubelets: pod.Kubelets{From: 37, To: 37}}
	for name, c := range map[string]struct {
		rule *rules.Rule
		want string
	}{
		"probes that can run": {probe(rules.Who{Containers: pod.App}), "spec.containers[0].livenessProbe"},
		"probes that cannot, too": {
			probe(rules.Who{Containers: pod.App, NeverRuns: true}),
			"spec.containers[0].livenessProbe spec.containers[0].startupProbe",
		},
		"readiness alone": {probe(rules.Who{Containers: pod.App, Probes: []pod.ProbeKind{pod.Readiness}}), ""},
		"hooks": {
			hook(rules.Who{Containers: pod.App}),
			"spec.containers[0].lifecycle.postStart spec.containers[0].lifecycle.preStop",
		},
		"preStop": {
			hook(rules.Who{Containers: pod.App, Hooks: []pod.HookKind{pod.PreStop}}),
			"spec.containers[0].lifecycle.preStop",
		},
		"sidecars": {container(rules.Who{Containers: pod.Sidecar}), "spec.initContainers[1]"},
		"init":     {container(rules.Who{Containers: pod.Init}), "spec.initContainers[0]"},
		"all classes": {
			container(rules.Who{Containers: every}),
			"spec.initContainers[0] spec.initContainers[1] spec.containers[0]",
		},
		"jobs":           {container(rules.Who{Containers: pod.App, Owners: pod.Jobs}), ""},
		"templates":      {pods(rules.Who{TemplatesOnly: true}), ""},
		"pods":           {pods(rules.Who{PodsOnly: true}), "spec"},
		"these kubelets": {pods(rules.Who{Kubelets: pod.LateStartupGate}), "spec"},
		"other kubelets": {pods(rules.Who{Kubelets: pod.Kubelets{From: 38, To: 39}}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var paths []string
			for _, f := range rules.Judge(s, planOf(t, plan, false, c.rule)) {
				paths = append(paths, f.Path())
			}
			if got := strings.Join(paths, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestInjectedIsCapped: findings about injected containers are only recorded, unless their rule says otherwise.
func TestInjectedIsCapped(t *testing.T) {
	capped := rules.Rule{ID: "rule-capped", Title: "x", Who: rules.Who{Containers: pod.App}}
	loud := rules.Rule{ID: "rule-loud", Title: "x", Who: rules.Who{Containers: pod.App}, AboutInjected: true}
	plan := planOf(t, rules.Options{Injected: []string{"app"}}, false,
		rules.ForContainerWith(capped, rules.None{}, report(""), nil),
		rules.ForContainerWith(loud, rules.None{}, report(""), nil))
	levels := map[string]rules.Level{}
	for _, f := range rules.Judge(subject(t, nil), plan) {
		levels[f.Rule.ID] = f.Level
	}
	want := map[string]rules.Level{"rule-capped": rules.Audit, "rule-loud": rules.Warn}
	if diff := cmp.Diff(want, levels); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
}

// TestFixedAnother: a fix learns that its rule has changed another container of the pod; other rules do not count.
func TestFixedAnother(t *testing.T) {
	fixing := func(id string) *rules.Rule {
		return rules.ForContainerWith(rules.Rule{ID: id, Title: "x", Who: rules.Who{Containers: pod.App}}, rules.None{},
			func(p *rules.Pass, _ rules.None) {
				if p.Container.Lifecycle == nil {
					p.Report("", "%s", "found")
				}
			},
			func(p *rules.Pass, _ rules.None) {
				p.SetPreStop(corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}})
				if !p.FixedAnother() {
					p.SetGrace(p.Grace() + 5)
				}
			})
	}
	three := subject(t, func(p *corev1.Pod) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "second"}, corev1.Container{Name: "third"})
	})
	repair := rules.Fix(three, planOf(t, rules.Options{}, true, newStretch(), fixing("rule-drain")))
	// stretch sets 40 in app, which then has a hook.
	if got := repair.Subject.Grace(); len(repair.Fixed) != 3 || got != 45 {
		t.Errorf("fixed %v, grace %d", repair.Fixed, got)
	}
}

func TestYields(t *testing.T) {
	finder := func(id string, about pod.Class, yieldsTo ...*rules.Rule) *rules.Rule {
		who := rules.Who{Containers: about}
		return rules.ForContainerWith(rules.Rule{ID: id, Title: "x", YieldsTo: yieldsTo, Who: who},
			rules.None{}, report(""), nil)
	}
	first, other := finder("rule-first", pod.App), finder("rule-other", pod.Sidecar)
	both := planOf(t, rules.Options{}, false, first, other, finder("rule-second", pod.App, other, first))
	if found := rules.Judge(subject(t, nil), both); len(found) != 1 || found[0].Rule != first {
		t.Errorf("found %v", found)
	}
	alone := planOf(t, rules.Options{}, false, other, finder("rule-third", pod.App, other))
	if found := rules.Judge(subject(t, nil), alone); len(found) != 1 {
		t.Errorf("it yields to a rule that found nothing: %v", found)
	}
}

// stretch finds a livenessProbe with a period of 10 s, and its fix sets all that a fix may set.
var stretch = rules.Rule{ID: "rule-stretch", Title: "x", FixByDefault: true,
	Who: rules.Who{Containers: pod.App, Probes: []pod.ProbeKind{pod.Liveness}}}

func newStretch() *rules.Rule {
	return rules.ForProbeWith(stretch, rules.None{},
		func(p *rules.Pass, _ rules.None) {
			if p.Probe.Period() == 10 {
				p.Report("livenessProbe", "%s", "found")
			}
		},
		func(p *rules.Pass, _ rules.None) {
			p.SetPeriod(20)
			p.SetTimeout(2)
			p.SetFailures(5)
			p.SetGrace(40)
			p.SetPreStop(corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}})
		})
}

func TestPatchOfAllThatAFixMaySet(t *testing.T) {
	s := subject(t, nil)
	repair := rules.Fix(s, planOf(t, rules.Options{}, false, newStretch()))
	var got []string
	for _, op := range rules.Patch(s, repair.Subject) {
		got = append(got, fmt.Sprint(op.Path, " ", op.Value))
	}
	want := []string{
		"/spec/containers/0/livenessProbe/timeoutSeconds 2",
		"/spec/containers/0/livenessProbe/periodSeconds 20",
		"/spec/containers/0/livenessProbe/failureThreshold 5",
		"/spec/containers/0/lifecycle &Lifecycle{PostStart:nil,PreStop:&LifecycleHandler{" +
			"Exec:nil,HTTPGet:nil,TCPSocket:nil,Sleep:&SleepAction{Seconds:5,},},StopSignal:nil,}",
		"/spec/terminationGracePeriodSeconds 40",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.Spec.Containers[0].Lifecycle != nil || s.Spec.Containers[0].LivenessProbe.PeriodSeconds != 10 {
		t.Error("the input is changed")
	}
	with := subject(t, func(p *corev1.Pod) {
		started := &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"a"}}}
		p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: started}
	})
	ops := rules.Patch(with, rules.Fix(with, planOf(t, rules.Options{}, false, newStretch())).Subject)
	if path := ops[3].Path; path != "/spec/containers/0/lifecycle/preStop" {
		t.Errorf("beside a postStart hook the patch writes %s", path)
	}
}

// TestWhoseFixesAreApplied: fixes that are on by default leave custom owners and injected containers alone, one that a
// policy turns on does not.
func TestWhoseFixesAreApplied(t *testing.T) {
	custom := subject(t, func(p *corev1.Pod) {
		controller := true
		p.OwnerReferences = []metav1.OwnerReference{
			{APIVersion: "db.example/v1", Kind: "Database", Name: "d", Controller: &controller},
		}
	})
	bloated := subject(t, func(p *corev1.Pod) {
		p.Annotations = map[string]string{"a": strings.Repeat("x", 256<<10-20)}
	})
	for name, c := range map[string]struct {
		subject        *pod.Subject
		options        rules.Options
		byDefault, ask bool
	}{
		"ordinary":           {subject(t, nil), rules.Options{}, true, true},
		"custom owner":       {custom, rules.Options{}, false, true},
		"injected":           {subject(t, nil), rules.Options{Injected: []string{"app"}}, false, true},
		"no room to record":  {bloated, rules.Options{}, false, false},
		"kubelets elsewhere": {subject(t, nil), rules.Options{Kubelets: pod.Kubelets{From: 30, To: 31}}, true, true},
	} {
		for asked, want := range map[bool]bool{false: c.byDefault, true: c.ask} {
			if fixed := rules.Fix(c.subject, planOf(t, c.options, asked, newStretch())).Fixed; len(fixed) > 0 != want {
				t.Errorf("%s, asked %v: fixed %v", name, asked, fixed)
			}
		}
	}
	audit := rules.Vet(subject(t, nil), planOf(t, rules.Options{Most: rules.Audit}, false, newStretch()))
	if audit.Applied || len(audit.Fixed) != 1 || len(audit.Findings) != 1 {
		t.Errorf("in audit: %+v", audit)
	}
}

// TestFixThatBringsAFinding: it is not applied by default, and its container is what it was.
func TestFixThatBringsAFinding(t *testing.T) {
	grace := rules.Rule{ID: "rule-grace", Title: "x", Who: rules.Who{Containers: pod.App}}
	long := rules.ForContainerWith(grace, rules.None{},
		func(p *rules.Pass, _ rules.None) {
			if p.Container.Name == "other" && p.Grace() == 40 {
				p.Report("", "%s", "found")
			}
		}, nil)
	two := subject(t, func(p *corev1.Pod) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "other"})
	})
	repair := rules.Fix(two, planOf(t, rules.Options{}, false, long, newStretch()))
	if len(repair.Fixed) != 0 || repair.Subject != two {
		t.Errorf("fixed %v", repair.Fixed)
	}
	if asked := rules.Fix(two, planOf(t, rules.Options{}, true, long, newStretch())); len(asked.Fixed) != 1 {
		t.Errorf("asked: fixed %v", asked.Fixed)
	}
}
