package kustomize

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTouched: what patches change of what fixes build on.
func TestTouched(t *testing.T) {
	deployment := func(spec string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: " + spec
	}
	containers := func(fields string) string {
		return deployment("{template: {spec: {containers: [{name: app, " + fields + "}]}}}")
	}
	operation := func(op, path, value string) string { // pod: is the template's, app: its container
		places := strings.NewReplacer("pod:", "/spec/template/spec", "app:", "/spec/template/spec/containers/0")
		path = places.Replace(path)
		return fmt.Sprintf("- {op: %s, path: %s, value: %s}", op, path, value)
	}
	whole := []string{anyContainer}
	list := "kind: List\nitems: [" + strings.ReplaceAll(containers("lifecycle: null"), "\n", ", ") + "]"
	list = strings.Replace(strings.Replace(list, "[api", "[{api", 1), "}]}}}]", "}]}}}}]", 1)
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 {containers: []}\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d {spec: *a%d, template: *a%d, jobTemplate: *a%d}\n", i, i, i-1, i-1, i-1)
	}
	bomb.WriteString("spec: *a29\n")
	for name, c := range map[string]struct {
		patch string
		want  []string
	}{
		"replicas":             {deployment("{replicas: 2}"), nil},
		"image":                {containers("image: i, env: [{name: lifecycle}]"), nil},
		"no probe":             {containers("livenessProbe: null"), []string{"app"}},
		"hook":                 {containers("lifecycle: {preStop: {sleep: {seconds: 5}}}"), whole},
		"memory":               {containers("resources: {limits: {memory: 1Gi}}"), nil},
		"device":               {containers("resources: {limits: {nvidia.com/gpu: 1}}"), []string{"app"}},
		"container goes":       {containers("$patch: delete"), []string{"app"}},
		"no containers":        {deployment("{template: {spec: {containers: null}}}"), whole},
		"no name":              {deployment("{template: {spec: {containers: [{ports: []}]}}}"), whole},
		"order":                {deployment("{template: {spec: {$setElementOrder/containers: []}}}"), nil},
		"grace":                {deployment("{template: {spec: {terminationGracePeriodSeconds: 5}}}"), whole},
		"object goes":          {deployment("null\n$patch: delete"), nil},
		"cron":                 {"kind: CronJob\nspec: {jobTemplate: {spec: {activeDeadlineSeconds: 5}}}", whole},
		"label":                {operation("add", "/metadata/labels/app", "x"), nil},
		"port":                 {operation("replace", "app:/ports/0/containerPort", "1"), whole},
		"appended":             {operation("add", "pod:/containers/-", "{}"), nil},
		"appended with a hook": {operation("add", "pod:/containers/-", "{lifecycle: {}}"), whole},
		"inserted":             {operation("add", "app:", "{}"), whole},
		"all":                  {operation("replace", "pod:", "{}"), whole},
		"copied":               {"- {op: copy, from: /spec/containers/0/lifecycle, path: /metadata/x}", whole},
		"copied to":            {"- {op: copy, from: /metadata/x, path: /spec/containers/0/resources/limits}", whole},
		"copied container":     {"- {op: copy, from: /metadata/x, path: /spec/containers/-}", whole},
		"whole":                {`[{op: test, path: "", value: {}}]`, whole},
		"merge key":            {containers("resources: {limits: {<<: {nvidia.com/gpu: 1}}}"), []string{"app"}},
		"resources":            {operation("add", "app:/resources", "{limits: {cpu: 1}}"), nil},
		"resource of a device": {operation("add", "app:/resources/limits/amd.com~1gpu", "1"), whole},
		"not YAML":             {"a: [", whole},
		"list":                 {list, whole},
		"list of itself":       {"kind: List\nitems: &a [{kind: List, items: *a}]", whole},
		"without end":          {bomb.String(), whole},
	} {
		var got []string
		for _, one := range touchedBy([]byte(c.patch)) {
			got = append(got, one.containers...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestListsOfCustomResources: kustomize knows no schema of theirs, so a list in a patch takes the place of all of it.
func TestListsOfCustomResources(t *testing.T) {
	p := patch{touched: touchedBy([]byte("metadata: {name: x}\nspec: {template: {spec: {containers: [{name: a}]}}}"))}
	id := identity{names: []string{"x"}, namespaces: []string{""}}
	for apiVersion, want := range map[string]meant{"apps/v1": no, "apps/v1beta1": surely, "argoproj.io/v1": surely} {
		if got := p.hits(Object{APIVersion: apiVersion, Kind: "Deployment", Name: "x"}, id); got != want {
			t.Errorf("%s: %d", apiVersion, got)
		}
	}
}

// TestHits: whom a patch means, by names that it was written with or that kustomizations gave it.
func TestHits(t *testing.T) {
	inline := []touched{{kind: "Deployment", name: "prod-web", containers: []string{"app"}}}
	database := &target{Kind: "StatefulSet", Name: "db"}
	for name, c := range map[string]struct {
		patch        patch
		kind, object string
		want         meant
	}{
		"its object":         {patch{touched: inline}, "Deployment", "web", surely},
		"another":            {patch{touched: inline}, "Deployment", "api", no},
		"another kind":       {patch{touched: inline}, "StatefulSet", "web", no},
		"part of its name":   {patch{touched: inline}, "Deployment", "prod", no},
		"target":             {patch{touched: inline, target: database}, "StatefulSet", "db", surely},
		"target, not object": {patch{touched: inline, target: database}, "Deployment", "web", no},
		"any name":           {patch{touched: inline, target: &target{Kind: "Job"}}, "Job", "api", surely},
		"pattern":            {patch{touched: inline, target: &target{Name: "a.*"}}, "Deployment", "api", surely},
		"other pattern":      {patch{touched: inline, target: &target{Name: "a.*"}}, "Deployment", "web", no},
		"all of the name":    {patch{touched: inline, target: &target{Name: "we|ab"}}, "Deployment", "web", no},
		"no pattern":         {patch{touched: inline, target: &target{Name: "("}}, "Deployment", "web", surely},
		"group":              {patch{touched: inline, target: &target{Group: "apps"}}, "Job", "x", surely},
		"other version":      {patch{touched: inline, target: &target{Version: "v2"}}, "Job", "x", no},
		"other group":        {patch{touched: inline, target: &target{Group: "batch"}}, "Job", "x", no},
		"namespace":          {patch{touched: inline, target: &target{Namespace: "shop"}}, "Job", "x", surely},
		"first namespace":    {patch{touched: inline, target: &target{Namespace: "default"}}, "Job", "x", surely},
		"other namespace":    {patch{touched: inline, target: &target{Namespace: "bank"}}, "Job", "x", no},
		"labels":             {patch{touched: inline, target: &target{LabelSelector: "a=b"}}, "Job", "x", perhaps},
		"lost file":          {patch{file: "/none"}, "Job", "x", perhaps},
	} {
		o := Object{APIVersion: "apps/v1", Kind: c.kind, Name: c.object, Containers: []string{"app"}}
		id := identity{names: []string{c.object}, namespaces: []string{""}}
		id = (&kustomization{prefix: "prod-", namespace: "shop"}).named(o, id)
		if got := c.patch.hits(o, id); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
		o.Containers = []string{"other"}
		if c.patch.file == "" && c.patch.hits(o, id) != no {
			t.Errorf("%s: hits a container that it does not name", name)
		}
	}
}

// TestRenamed: an object that may have any name is perhaps that of a patch.
func TestRenamed(t *testing.T) {
	p := patch{touched: []touched{{kind: "Deployment", name: "new", containers: []string{anyContainer}}}}
	o := Object{Kind: "Deployment", Name: "old", Containers: []string{"app"}}
	id := identity{names: []string{"old"}, namespaces: []string{""}}
	if got := p.hits(o, (&kustomization{suffix: "-x"}).named(o, id)); got != no {
		t.Errorf("%d", got)
	}
	id = (&kustomization{patches: []*patch{{renames: renamed{name: true}}}}).named(o, id)
	if got := p.hits(o, id); got != perhaps {
		t.Errorf("%d", got)
	}
	if p.target = (&target{Name: "new"}); p.hits(o, id) != perhaps {
		t.Error("not by a target")
	}
}

// TestRenames: what a patch changes of what later ones find an object and its containers by.
func TestRenames(t *testing.T) {
	name, kind, containers := renamed{name: true}, renamed{kind: true}, renamed{containers: true}
	all := renamed{true, true, true}
	operation := func(path string) string { return `{patch: '[{op: replace, path: "` + path + `", value: new}]'}` }
	replacement := func(rest string) string { return "{source: {kind: ConfigMap, name: c}, targets: [{" + rest + "}]}" }
	for written, want := range map[string]renamed{
		"patches: " + operation("/metadata/name"):                                         name,
		"patches: " + operation("/metadata/namespace"):                                    name,
		"patches: " + operation("/metadata/labels/name"):                                  {},
		"patches: " + operation(""):                                                       all,
		"patches: " + operation("/kind"):                                                  kind,
		"patches: " + operation("/apiVersion"):                                            kind,
		"patches: " + operation("/spec/template/spec/initContainers/0/name"):              containers,
		"patches: " + operation("/spec/template/spec/volumes/0/name"):                     {},
		"patches: {patch: '[{op: copy, from: /metadata/name, path: /spec/x}]'}":           {},
		"patches: {path: lost.yaml}":                                                      all,
		"patches: {patch: 'kind: X', options: {allowNameChange: true}}":                   name,
		"patches: {patch: 'kind: X', options: {allowKindChange: true}}":                   kind,
		"patches: {patch: '[{op: replace, path: /kind}]', target: {kind: Service}}":       {},
		"replacements: " + replacement("select: {kind: Job}"):                             {},
		"replacements: " + replacement("select: {kind: Deployment}"):                      name,
		"replacements: " + replacement("fieldPaths: ['']"):                                all,
		"replacements: " + replacement("fieldPaths: [kind, metadata.name]"):               {name: true, kind: true},
		"replacements: " + replacement("fieldPaths: ['spec.containers.[name=app].name']"): containers,
		"replacements: " + replacement("fieldPaths: ['spec.containers.*.name']"):          containers,
		"replacements: {path: lost.yaml}":                                                 all,
		"transformers: x.yaml":                                                            all,
	} {
		key, value, _ := strings.Cut(written, ": ")
		k := kustomization{folder: t.TempDir()}
		if _, wrong := k.parse([]byte(key + ": [" + value + "]")); wrong != "" {
			t.Fatalf("%s: %s", written, wrong)
		}
		o := Object{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
		if got := k.named(o, identity{names: []string{"web"}, namespaces: []string{""}}).any; got != want {
			t.Errorf("%s: %+v", written, got)
		}
	}
}

// TestHitsRenamed: what has perhaps another kind, or containers of other names, is perhaps what a patch is about.
func TestHitsRenamed(t *testing.T) {
	o := Object{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", Containers: []string{"app"}}
	container := touched{kind: "Deployment", name: "web", containers: []string{"main"}}
	rollout := touched{kind: "Rollout", name: "web", containers: []string{"app"}}
	list := touched{kind: "Rollout", name: "web", lists: true}
	device := touched{kind: "Deployment", name: "web", resources: []string{"app"}}
	for i, c := range []struct {
		patch                  patch
		same, kind, containers meant // where nothing, the kind, and containers are renamed
	}{
		{patch{touched: []touched{container}}, no, no, perhaps},
		{patch{touched: []touched{rollout}}, no, perhaps, no},
		{patch{touched: []touched{list}}, no, perhaps, no},
		{patch{touched: []touched{rollout}, target: &target{Kind: "Rollout"}}, no, perhaps, no},
		{patch{touched: []touched{rollout}, target: &target{Group: "argoproj.io", Name: "api"}}, no, no, no},
		{patch{touched: []touched{device}}, no, no, no},
		{patch{touched: []touched{{kind: "Deployment", name: "web"}}}, no, no, no},
	} {
		for before, want := range map[renamed]meant{
			{}: c.same, {kind: true}: c.kind, {containers: true}: c.containers,
		} {
			id := identity{names: []string{"web"}, namespaces: []string{""}, any: before}
			if got := c.patch.hits(o, id); got != want {
				t.Errorf("%d, %+v: %d, want %d", i, before, got, want)
			}
		}
	}
}

// TestDevices: an accelerator goes with the resources that hold it, and only where there is one.
func TestDevices(t *testing.T) {
	merge := func(resources string) string {
		return "kind: Deployment\nmetadata: {name: web}\n" +
			"spec: {template: {spec: {containers: [{name: app, resources: " + resources + "}]}}}"
	}
	for text, want := range map[string]meant{
		merge("null"):                                                 surely,
		merge("{limits: null}"):                                       surely,
		merge("{limits: {cpu: 1}}"):                                   no,
		merge("{limits: {x.io/y: null}}"):                             surely,
		"[{op: remove, path: /a/resources}]":                          perhaps,
		"[{op: replace, path: /a/resources/limits, value: {cpu: 1}}]": perhaps,
		"[{op: remove, path: /a/resources/limits/cpu}]":               no,
	} {
		o := Object{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", Containers: []string{"app", "proxy"}}
		p := patch{touched: touchedBy([]byte(text))}
		id := identity{names: []string{"web"}, namespaces: []string{""}}
		if got := p.hits(o, id); got != no && !strings.Contains(text, "/y") {
			t.Errorf("%s, without one: %d", text, got)
		}
		if o.Accelerated = []string{"app"}; p.hits(o, id) != want {
			t.Errorf("%s: %d, want %d", text, p.hits(o, id), want)
		}
	}
}

// TestKustomizationsAreBounded: one that is too long, or a folder, is not read, and said to be so.
func TestKustomizationsAreBounded(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "kustomization.yaml")
	write := func(length int) {
		text := "patches: [{path: a.yaml}]\n#"
		if err := os.WriteFile(name, []byte(text+strings.Repeat("x", length-len(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(maxLength)
	if k := read(name); k == nil || k.patches[0].file != filepath.Join(folder, "a.yaml") {
		t.Errorf("%+v", k)
	}
	write(maxLength + 1)
	for name, want := range map[string]string{name: "cannot be read: is longer than 1 MiB",
		folder: "cannot be read: is not a file"} {
		if k := read(name); k == nil || k.unread == nil || k.unread.Text != want {
			t.Errorf("%s: %+v", name, k)
		}
	}
	if k := read(filepath.Join(folder, "none")); k != nil {
		t.Errorf("none: %+v", k)
	}
}

// TestKustomizationForms: patches are written in many ways, and what is wrong beside them hides none.
func TestKustomizationForms(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "kustomization.yaml")
	text := `
patches:
- old.yaml
- path: new.yaml
- {patch: "kind: Pod", target: {kind: Pod}}
patchesStrategicMerge: [merge.yaml, "{kind: Pod}"]
patchesJson6902: [{target: {kind: Pod}, path: ops.json}]
replicas: none
resources: {not: a list}
bases: [../base, "https://example.com/base?ref=v1"]
`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k := read(name)
	if k == nil {
		t.Fatal("not read")
	}
	var files []string
	for _, p := range k.patches {
		files = append(files, strings.TrimPrefix(p.file, folder+"/"))
	}
	if want := []string{"old.yaml", "new.yaml", "", "merge.yaml", "", "ops.json", ""}; !slices.Equal(files, want) {
		t.Errorf("patches %q", files)
	}
	if k.unread == nil || k.unread.Line != 9 || k.unread.Text != "has a value that kustomize does not take" {
		t.Errorf("said to be well: %v", k.unread)
	}
	if len(k.resources) < 2 || k.resources[0] != filepath.Join(filepath.Dir(folder), "base") {
		t.Errorf("resources %q", k.resources)
	}
}
