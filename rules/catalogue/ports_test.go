package catalogue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// ownedPod is a ReplicaSet's pod with one container.
func ownedPod(fields string) string {
	return acceptance{owner: rs, spec: "containers:\n- {name: app, image: i, " + fields + "}\n"}.yaml()
}

// TestWhatIsDeclared: a message about an unresolved port names what there is, and its advice is one that works.
func TestWhatIsDeclared(t *testing.T) {
	const four = `[{name: aaaaaaaaaaaaaaa, containerPort: 1}, {name: bbbbbbbbbbbbbbb, containerPort: 2},
		{name: ccccccccccccccc, containerPort: 3}, {name: ddddddddddddddd, containerPort: 4}]`
	for ports, c := range map[string]struct{ wrong, advice string }{
		`[]`:                                {`undeclared port "web"`, `Declare it or use a number`},
		`[{name: web2, containerPort: 80}]`: {`port "web", but only "web2" is declared`, `Use port web2`},
		`[{containerPort: 80}]`:             {`port "web", but port 80 has no name`, `Name port 80 web`},
		`[{containerPort: 80}, {name: a, containerPort: 81}]`: {`undeclared port "web"`, `Use port 80 or a`},
		`[{name: a, containerPort: 80}, {name: b, containerPort: 81, protocol: UDP}]`: {
			`port "web", but only "a" is declared`, `Use port a`},
		`[{name: a, containerPort: 80, protocol: UDP}]`: {`undeclared port "web"`, `Declare it or use a number`},
		four: {`undeclared port "web"`, `Use port aaaaaaaaaaaaaaa, bbbbbbbbbbbbbbb or another declared one`},
	} {
		got := finds(t, "probe-port-unresolved", ownedPod("ports: "+ports+", readinessProbe: {tcpSocket: {port: web}}"))
		want := fmt.Sprintf("container %q: readinessProbe uses %s, so it is never ready. %s. [probe-port-unresolved]",
			"app", c.wrong, c.advice)
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", ports, got, want)
		}
	}
}

// TestQuotedNumber: a number in quotes is a name, which the API server refuses and no port has.
func TestQuotedNumber(t *testing.T) {
	text := ownedPod(`ports: [{containerPort: 8080}], readinessProbe: {tcpSocket: {port: "8080"}}`)
	got := finds(t, "probe-port-unresolved", text)
	if len(got) != 1 || !strings.Contains(got[0], `"8080", a name because of its quotes`) ||
		!strings.Contains(got[0], "Remove the quotes.") {
		t.Errorf("%q", got)
	}
	hook := finds(t, "poststart-cannot-run",
		ownedPod(`ports: [{containerPort: 8080}], lifecycle: {postStart: {httpGet: {port: "8080"}}}`))
	if len(hook) != 1 || !strings.Contains(hook[0], `"8080", a name because of its quotes`) {
		t.Errorf("of a hook: %q", hook)
	}
	problems := fmt.Sprint(parseSubject(t, "quoted", text).Invalid())
	if !strings.Contains(problems, "remove the quotes") {
		t.Errorf("what the API server refuses: %s", problems)
	}
}

// TestLongNamesOfOthers: another container's name, a host and a zone may be long or hold anything.
func TestLongNamesOfOthers(t *testing.T) {
	other := strings.Repeat("o", 63)
	text := acceptance{owner: rs, spec: `
containers:
- {name: app, image: i, startupProbe: {tcpSocket: {port: fifteen-letters}}}
- {name: ` + other + `, image: i, ports: [{name: fifteen-letters, containerPort: 65535}]}
`}.yaml()
	long := "{host: \"" + strings.Repeat("h", 300) + "\\n\", port: 80}"
	for _, got := range [][]string{
		finds(t, "probe-port-unresolved", text),
		finds(t, "probe-host-set", ownedPod("livenessProbe: {httpGet: "+long+"}")),
		finds(t, "probe-host-set", ownedPod("lifecycle: {postStart: {httpGet: "+long+"}}")),
	} {
		if len(got) != 1 || strings.ContainsAny(got[0], "\n") || !strings.Contains(got[0], ". ") ||
			utf8.RuneCountInString(got[0]) > rules.MaxLine {
			t.Errorf("%q", got)
		}
	}
}

func TestSchemes(t *testing.T) {
	const (
		http, https = "HTTP", "HTTPS"
		none        = ""
	)
	for _, c := range []struct{ ports, port, wrong string }{
		{"[{name: https, containerPort: 1}]", "https", http},
		{"[{name: tls, containerPort: 1}]", "tls", http},
		{"[{name: https-api, containerPort: 1}]", "1", http},
		{"[{name: tls-api, containerPort: 1}]", "1", http},
		{"[{name: api-https, containerPort: 1}]", "1", http},
		{"[{name: api-tls, containerPort: 1}]", "1", http},
		{"[{name: httpsapi, containerPort: 1}]", "1", none},
		{"[{name: http, containerPort: 1}]", "1", https},
		{"[{name: http-api, containerPort: 443}]", "443", https},
		{"[{name: api-http, containerPort: 1}]", "1", none},
		{"[{name: web, containerPort: 443}]", "443", none},
		{"[{name: web, containerPort: 80}]", "web", none},
		{"[{containerPort: 6443}]", "6443", http},
		{"[{containerPort: 80}]", "80", https},
		{"[{containerPort: 8080}]", "8080", none},
		{"[]", "443", http},
		{"[]", "8443", http},
		{"[]", "80", https},
		{"[]", "nowhere", none},
		{"[{name: web, containerPort: 8443}, {name: https, containerPort: 8443}]", "8443", http},
		{"[{name: web, containerPort: 8443}, {name: https, containerPort: 8443}]", "web", none},
		{"[{name: web, containerPort: 8443}, {name: https, containerPort: 8443, protocol: UDP}]", "8443", none},
		{"[{name: https, containerPort: 8443}, {name: quic, containerPort: 8443, protocol: UDP}]", "8443", http},
		{"[{name: https, containerPort: 1}]", "2", none},
	} {
		for _, scheme := range []string{http, https} {
			got := finds(t, "probe-scheme-mismatch", ownedPod("ports: "+c.ports+
				", startupProbe: {httpGet: {scheme: "+scheme+", port: "+c.port+"}}"))
			if (len(got) > 0) != (c.wrong == scheme) {
				t.Errorf("%s to port %s of %s: %q", scheme, c.port, c.ports, got)
			}
		}
	}
	for _, handler := range []string{
		"httpGet: {host: shop.example, port: 443}", "tcpSocket: {port: 443}", "grpc: {port: 443}",
	} {
		if got := finds(t, "probe-scheme-mismatch", ownedPod("startupProbe: {"+handler+"}")); len(got) > 0 {
			t.Errorf("%s: %q", handler, got)
		}
	}
}

func TestPortsOverTCP(t *testing.T) {
	for _, c := range []struct {
		ports, handler     string
		notTCP, undeclared bool
	}{
		{"[]", "tcpSocket: {port: 53}", false, true},
		{"[]", "tcpSocket: {port: 53, host: db.example}", false, false},
		{"[]", "exec: {command: [check]}", false, false},
		{"[{containerPort: 53}]", "tcpSocket: {port: 53}", false, false},
		{"[{containerPort: 53, protocol: UDP}]", "tcpSocket: {port: 53}", true, false},
		{"[{containerPort: 53, protocol: SCTP}]", "httpGet: {port: 53}", true, false},
		{"[{containerPort: 53, protocol: UDP}]", "grpc: {port: 53}", true, false},
		{"[{containerPort: 53, protocol: UDP}]", "tcpSocket: {port: 53, host: db.example}", false, false},
		{"[{containerPort: 53, protocol: UDP}, {containerPort: 53}]", "grpc: {port: 53}", false, false},
		{"[{name: dns, containerPort: 53, protocol: UDP}]", "tcpSocket: {port: dns}", true, false},
		{"[{name: dns, containerPort: 53, protocol: UDP}]", "tcpSocket: {port: nowhere}", false, false},
		{"[{name: dns, containerPort: 53}]", "grpc: {port: 54}", false, true},
	} {
		text := ownedPod("ports: " + c.ports + ", livenessProbe: {" + c.handler + "}")
		if got := finds(t, "probe-port-not-tcp", text); (len(got) > 0) != c.notTCP {
			t.Errorf("%s, %s: %q", c.ports, c.handler, got)
		}
		if got := finds(t, "probe-port-undeclared", text); (len(got) > 0) != c.undeclared {
			t.Errorf("%s, %s: %q", c.ports, c.handler, got)
		}
	}
}

// TestHosts: of a probe or a hook with a host at most one rule says so.
func TestHosts(t *testing.T) {
	const loopback, set = "probe-host-loopback", "probe-host-set"
	for _, c := range []struct{ fields, found string }{
		{"livenessProbe: {httpGet: {host: 127.0.0.1, port: 80}}", loopback},
		{"startupProbe: {tcpSocket: {host: localhost, port: 80}}", loopback},
		{"readinessProbe: {tcpSocket: {host: '::', port: 80}}", loopback},
		{"readinessProbe: {tcpSocket: {host: '::', port: 30000}}", set},
		{"readinessProbe: {tcpSocket: {host: '::', port: nowhere}}", ""},
		{"livenessProbe: {httpGet: {host: db.example, port: 80}}", set},
		{"livenessProbe: {httpGet: {host: db.example, port: nowhere}}", ""},
		{"livenessProbe: {httpGet: {port: 80}}", ""},
		{"lifecycle: {postStart: {httpGet: {host: db.example, port: 80}}}", set},
		{"lifecycle: {preStop: {httpGet: {host: db.example, port: 80}}}", set},
		{"lifecycle: {preStop: {httpGet: {host: 127.0.0.1, port: 80}}}", ""},
		{"lifecycle: {preStop: {httpGet: {host: 127.0.0.1, port: 30000}}}", set},
		{"lifecycle: {preStop: {tcpSocket: {host: db.example, port: 80}}}", ""},
		{"lifecycle: {preStop: {httpGet: {host: db.example, port: nowhere}}}", ""},
		{"lifecycle: {preStop: {httpGet: {port: 80}}}", ""},
	} {
		for _, rule := range []string{loopback, set} {
			if got := finds(t, rule, ownedPod(c.fields)); (len(got) > 0) != (rule == c.found) {
				t.Errorf("%s: %q", c.fields, got)
			}
			if got := finds(t, rule, ownedPod(c.fields)+"hostNetwork: true\n"); len(got) > 0 {
				t.Errorf("%s with hostNetwork: %q", c.fields, got)
			}
		}
	}
	// Nothing waits for the readiness of a Job's pod.
	job := acceptance{owner: job, spec: "restartPolicy: Never\ncontainers:\n" +
		"- {name: app, image: i, readinessProbe: {httpGet: {host: localhost, port: 80}}}\n"}.yaml()
	if got := finds(t, loopback, job); len(got) > 0 {
		t.Errorf("in a Job's pod: %q", got)
	}
	if got := finds(t, set, job); len(got) != 1 {
		t.Errorf("in a Job's pod: %q", got)
	}
}

// TestServingPorts: which ports ask for a readinessProbe, by default and by a policy of one's own.
func TestServingPorts(t *testing.T) {
	serves := func(plan *rules.Plan, port string) bool {
		subject := parseSubject(t, port, ownedPod("ports: [{"+port+"containerPort: 80}]"))
		return len(findingsOf(catalogue.All.Lookup("no-readiness-probe"), rules.Judge(subject, plan))) > 0
	}
	own, err := policy.Load(catalogue.All, "p", []byte(`apiVersion: podvet.dev/v1alpha1
kind: Policy
rules: {no-readiness-probe: {params: {ignorePortNames: ["admin*", gossip]}}}
`), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[string]struct{ byDefault, own bool }{
		"":                          {true, true},
		"name: http, ":              {true, true},
		"name: metrics, ":           {false, true},
		"name: queue-metrics, ":     {false, true},
		"name: metrics-api, ":       {true, true},
		"name: http-healthz, ":      {false, true},
		"name: app-healthz, ":       {false, true},
		"name: app-health, ":        {false, true},
		"name: readyz, ":            {false, true},
		"name: pprof, ":             {false, true},
		"name: admin-ui, ":          {true, false},
		"name: gossip, ":            {true, false},
		"name: gossip2, ":           {true, true},
		"protocol: UDP, ":           {false, false},
		"name: d, protocol: SCTP, ": {false, false},
	} {
		if got := serves(profilePlan(rules.Recommended), port); got != want.byDefault {
			t.Errorf("{%s}: %v", port, got)
		}
		if got := serves(own.Plan(), port); got != want.own {
			t.Errorf("{%s}, own list: %v", port, got)
		}
	}
}

// TestTemplatesLeaveKnativeAlone: queue-proxy has the readinessProbe there, and no template adds another.
func TestTemplatesLeaveKnativeAlone(t *testing.T) {
	p, err := policy.Load(catalogue.All, "p", []byte(`apiVersion: podvet.dev/v1alpha1
kind: Policy
rules:
  no-readiness-probe:
    fix: true
    params: {template: {portName: http, probe: {tcpSocket: {port: http}}}}
`), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := acceptance{owner: rs, spec: `
containers:
- {name: user-container, image: i, ports: [{name: http, containerPort: 8080}]}
- {name: queue-proxy, image: i, readinessProbe: {httpGet: {path: /, port: 8012}}}
`}
	for meta, want := range map[string]int{"": 1, "labels: {serving.knative.dev/revision: hello-00001}": 0} {
		c.meta = meta
		if fixed := rules.Fix(parseSubject(t, "knative", c.yaml()), p.Plan()).Fixed; len(fixed) != want {
			t.Errorf("{%s}: fixed %v", meta, fixed)
		}
	}
}

// TestBarePodAdvice: what the API server asks of the pods of a Deployment.
func TestBarePodAdvice(t *testing.T) {
	for spec, want := range map[string]string{
		"":                            "of a Deployment.",
		"activeDeadlineSeconds: 60\n": "of a Deployment (no activeDeadlineSeconds).",
		"restartPolicy: Never\n":      "of a Deployment (restartPolicy Always).",
	} {
		text := acceptance{spec: spec + "containers:\n- {name: app, image: i, restartPolicy: Always}\n"}.yaml()
		if got := finds(t, "bare-pod", text); len(got) != 1 || !strings.HasSuffix(got[0], want+" [bare-pod]") {
			t.Errorf("%q: %q", spec, got)
		}
	}
}
