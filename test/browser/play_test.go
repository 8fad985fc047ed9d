package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// pasted is how the page calls its text.
const pasted = "pasted.yaml"

// play builds the page as make play does, and serves it. It returns its address.
func play(t *testing.T) (address, folder string) {
	t.Helper()
	dir := t.TempDir()
	program, folder := filepath.Join(dir, "play"), filepath.Join(dir, "page")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./test/play")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	serve := exec.CommandContext(t.Context(), program, "-serve", "-out", folder)
	serve.Dir, serve.Stderr = "../..", t.Output()
	out, err := serve.StdoutPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serve.Process.Kill(); _ = serve.Wait() })
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(address, "http://127.0.0.1:") {
		t.Fatalf("make play prints %q: %v", address, err)
	}
	return strings.TrimSpace(address), folder
}

// awaited evaluates a script that returns a promise.
func awaited[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value
}

// settled waits until the page has answered what was typed and moved.
func settled(ctx context.Context, t *testing.T) {
	t.Helper()
	awaited[int](ctx, t, `(async () => {
		await new Promise(next => setTimeout(next, waitToType + 50));
		while (!ready || changed || drawing) await new Promise(next => setTimeout(next, 20));
		return 1;
	})()`)
}

// quoted is a text as JavaScript has it.
func quoted(text string) string {
	out, _ := json.Marshal(text) // a text has no mistakes
	return string(out)
}

// said is what podvet says of a text.
func said(ctx context.Context, t *testing.T, podvet, text string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, pasted), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(ctx, podvet, append(args, pasted)...)
	run.Dir = dir
	out, _ := run.Output() // the exit status tells what was found
	return string(out)
}

// TestPlay: the page in docs/play, in one tab. It is at most 5 MB packed, which its build holds.
func TestPlay(t *testing.T) {
	address, folder := play(t)
	if info, err := os.Stat(filepath.Join(folder, "podvet.wasm.gz")); err != nil || info.Size() > 5_000_000 {
		t.Errorf("podvet.wasm.gz: %v, %v", info, err)
	}
	podvet, ctx := built(t), browser(t)
	err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(address))
	if err != nil {
		t.Fatal(err)
	}
	settled(ctx, t)
	t.Run("examples", func(t *testing.T) { playExamples(ctx, t, podvet) })
	t.Run("sliders", func(t *testing.T) { playSliders(ctx, t, podvet) })
	t.Run("bad", func(t *testing.T) { playBad(ctx, t) })
	t.Run("panic", func(t *testing.T) { playPanics(ctx, t) })
	t.Run("private", func(t *testing.T) { playPrivate(ctx, t, address) })
	t.Run("looks", func(t *testing.T) { playLooks(ctx, t, address) })
	t.Run("fixtures", func(t *testing.T) { playFixtures(ctx, t, podvet) })
}

// playExamples types the examples of the README, key by key. The page shows what podvet check and podvet fix say.
func playExamples(ctx context.Context, t *testing.T, podvet string) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`kubectl apply -f examples/(\S+)\n`).FindAllStringSubmatch(string(readme), -1)
	if len(names) < 3 {
		t.Fatalf("the README has the examples %v", names)
	}
	for _, name := range names {
		offered := evaluate[bool](ctx, t, `[...$("example").options].some(o => o.value === `+quoted(name[1])+`)`)
		text, err := os.ReadFile("../../examples/" + name[1])
		if err != nil || !offered {
			t.Fatalf("%s is offered: %v, %v", name[1], offered, err)
		}
		evaluate[chromedp.Void](ctx, t, `$("manifest").focus(); $("manifest").select()`)
		if err := chromedp.Do(ctx, chromedp.KeyEvent(strings.ReplaceAll(string(text), "\n", kb.Enter))); err != nil {
			t.Fatal(err)
		}
		settled(ctx, t)
		if typed := evaluate[string](ctx, t, `$("manifest").value`); typed != string(text) {
			t.Fatalf("typed is\n%s", typed)
		}
		want := said(ctx, t, podvet, string(text), "check", "-o", "json")
		if got := evaluate[string](ctx, t, `$("json").textContent`); got != want {
			t.Errorf("%s: the page has\n%s\npodvet check\n%s", name[1], got, want)
		}
		want = said(ctx, t, podvet, string(text), "fix", "--diff")
		if got := evaluate[string](ctx, t, `$("diff").textContent`); got != want {
			t.Errorf("%s: the page has\n%s\npodvet fix\n%s", name[1], got, want)
		}
		var report struct {
			Subjects []struct {
				Findings, Fixed []struct {
					Line          int
					Message, Rule string
				}
			}
		}
		if err := json.Unmarshal([]byte(evaluate[string](ctx, t, `$("json").textContent`)), &report); err != nil {
			t.Fatal(err)
		}
		shown := evaluate[string](ctx, t, `$("findings").innerText`)
		for _, f := range slices.Concat(report.Subjects[0].Findings, report.Subjects[0].Fixed) {
			message := strings.TrimSuffix(f.Message, " ["+f.Rule+"]")
			if !strings.Contains(shown, message) || !strings.Contains(shown, fmt.Sprintf("line %d", f.Line)) {
				t.Errorf("%s: line %d: %s is not shown:\n%s", name[1], f.Line, message, shown)
			}
		}
	}
}

// playSliders moves sliders by the keyboard. The page says what podvet timeline says of the same scenario.
func playSliders(ctx context.Context, t *testing.T, podvet string) {
	text, err := os.ReadFile("../../examples/10-deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	evaluate[chromedp.Void](ctx, t, `$("example").value = "10-deployment.yaml"; $("example").onchange()`)
	settled(ctx, t)
	words := func() string { return evaluate[string](ctx, t, `$("words").textContent`) }
	if chosen := words(); !strings.Contains(chosen, "just longer than livenessProbe allows (no-startup-probe)") {
		t.Errorf("podvet chooses %s", chosen)
	}
	if hang := evaluate[string](ctx, t, `$("hang-value").textContent`); hang != "no hang" {
		t.Errorf("the slider of the hang says %q", hang)
	}
	for _, c := range []struct {
		slider, keys, value string
		args                []string
	}{
		{"boot", kb.Home + strings.Repeat(kb.ArrowRight, 25), "25 s", []string{"--boot", "25s"}},
		{"hang", strings.Repeat(kb.ArrowRight, 60), "300 s", []string{"--boot", "25s", "--hang-at", "5m"}},
		{"hang", kb.Home, "no hang", []string{"--boot", "25s"}},
		{"delete", strings.Repeat(kb.ArrowRight, 40), "200 s", []string{"--boot", "25s", "--delete-at", "200s"}},
		{"stop", kb.End, "120 s",
			[]string{"--boot", "25s", "--delete-at", "200s", "--stop-takes", "2m", "--for", "620s"}},
	} {
		before := evaluate[string](ctx, t, `$("picture").shadowRoot.innerHTML`)
		evaluate[chromedp.Void](ctx, t, `$(`+quoted(c.slider)+`).focus()`)
		if err := chromedp.Do(ctx, chromedp.KeyEvent(c.keys)); err != nil {
			t.Fatal(err)
		}
		settled(ctx, t)
		value := evaluate[string](ctx, t, `$(`+quoted(c.slider+"-value")+`).textContent`)
		spoken := evaluate[string](ctx, t, `$(`+quoted(c.slider)+`).getAttribute("aria-valuetext")`)
		if value != c.value || spoken != c.value {
			t.Errorf("%s says %q and %q, want %q", c.slider, value, spoken, c.value)
		}
		// The last --for counts, so that an argument can be another.
		args := slices.Concat([]string{"timeline", "--fixed", "--for", "10m", "--boot", "0s"}, c.args)
		if want, got := said(ctx, t, podvet, string(text), args...), evaluate[string](ctx, t,
			`$("text").textContent`); got != want {
			t.Errorf("%s: the page has\n%s\npodvet timeline\n%s", c.slider, got, want)
		}
		if evaluate[string](ctx, t, `$("picture").shadowRoot.innerHTML`) == before {
			t.Errorf("%s: the picture stays", c.slider)
		}
	}
	evaluate[chromedp.Void](ctx, t, `$("choose").click()`)
	settled(ctx, t)
	if chosen := words(); !strings.Contains(chosen, "(no-startup-probe)") {
		t.Errorf("podvet chooses %s", chosen)
	}
	fixed := said(ctx, t, podvet, string(text), "fix")
	evaluate[chromedp.Void](ctx, t, `$("apply").click()`)
	settled(ctx, t)
	if got := evaluate[string](ctx, t, `$("manifest").value`); got != fixed {
		t.Errorf("with the fixes the text is\n%s\nwant\n%s", got, fixed)
	}
}

// playFixtures compares the findings byte by byte, over the fixtures of all rules, 20 in a text: to start podvet for
// each would take minutes. TestPlaySaysTheSame in cmd/podvet compares them one by one, with fixes and timelines.
func playFixtures(ctx context.Context, t *testing.T, podvet string) {
	files, err := filepath.Glob("../../rules/catalogue/*/*.yaml")
	if err != nil || len(files) < 300 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	var texts []string
	for some := range slices.Chunk(files, 20) {
		var all strings.Builder
		for _, file := range some {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString("---\n" + string(text) + "\n")
		}
		texts = append(texts, all.String())
	}
	list, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	answers := awaited[[]string](ctx, t, `(async () => {
		const answers = [];
		for (const text of `+string(list)+`) answers.push((await ask("check", text)).report);
		return answers;
	})()`)
	findings := 0
	for i, text := range texts {
		if want := said(ctx, t, podvet, text, "check", "-o", "json"); want != answers[i] {
			t.Errorf("of\n%s\nthe page has\n%s\npodvet check\n%s", text, answers[i], want)
		}
		findings += strings.Count(answers[i], `"rule": `)
	}
	if findings < 500 {
		t.Errorf("only %d findings", findings)
	}
}

// put pastes a text.
func put(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	evaluate[chromedp.Void](ctx, t, `$("manifest").value = `+quoted(text)+`; $("manifest").oninput()`)
	settled(ctx, t)
}

// playBad: what cannot be used is told in words, with its line.
func playBad(ctx context.Context, t *testing.T) {
	for _, c := range []struct{ text, where, want string }{
		{"kind: Pod\nmetadata: {name: a\n", "findings", "line "},
		{"a: b\n", "findings", "apiVersion"},
		{"# nothing\n", "findings", "holds no Kubernetes object. Paste a Pod"},
		{"", "status", "Paste a manifest, or choose an example."},
		{strings.Repeat("# much\n", 50_000), "failure", "342 KiB. The page takes up to 256 KiB"},
		{sound, "status", "1 note"},
	} {
		put(ctx, t, c.text)
		if got := evaluate[string](ctx, t, `$(`+quoted(c.where)+`).innerText`); !strings.Contains(got, c.want) {
			t.Errorf("of %.20q the page says %q, want %q", c.text, got, c.want)
		}
	}
	if evaluate[bool](ctx, t, `!$("failure").hidden`) {
		t.Error("the page still says what is wrong with a text that has gone")
	}
}

// playPanics: neither a panic in a call nor the end of podvet ends the page.
func playPanics(ctx context.Context, t *testing.T) {
	said := awaited[string](ctx, t, `ask("check").then(() => "", problem => problem.message)`)
	if !strings.Contains(said, "index out of range") {
		t.Errorf("a panic is told as %q", said)
	}
	if answer := awaited[string](ctx, t, `ask("check", "a: b").then(checked => checked.report)`); answer == "" {
		t.Error("after a panic there is no answer")
	}
	evaluate[chromedp.Void](ctx, t, `const old = worker; worker.onmessage({data: {gone: true}})`)
	if failure := evaluate[string](ctx, t, `$("failure").innerText`); !strings.Contains(failure, "started again") {
		t.Errorf("podvet has ended, and the page says %q", failure)
	}
	put(ctx, t, slow)
	if shown := evaluate[string](ctx, t, `$("findings").innerText`); !strings.Contains(shown, "livenessProbe") {
		t.Errorf("started again podvet finds %q", shown)
	}
}

// playPrivate: the page loads its own files and can reach nobody else.
func playPrivate(ctx context.Context, t *testing.T, address string) {
	loaded := evaluate[[]string](ctx, t, `performance.getEntriesByType("resource").map(r => r.name)`)
	for _, name := range loaded {
		if !strings.HasPrefix(name, address) {
			t.Errorf("the page loads %s", name)
		}
	}
	if len(loaded) < 3 {
		t.Errorf("the page loads only %v", loaded)
	}
	refused := awaited[string](ctx, t, `new Promise(done => {
		addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
		fetch("http://127.0.0.1:9/").catch(() => {});
	})`)
	if refused != "connect-src" {
		t.Errorf("refused is %s", refused)
	}
	unnamed := evaluate[[]string](ctx, t, `[...document.querySelectorAll("input, select, textarea, button, [tabindex]")]
		.filter(e => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).map(e => e.id)`)
	if len(unnamed) > 0 {
		t.Errorf("without a name for screen readers: %v", unnamed)
	}
}

// playLooks: on a screen and on a telephone, in both color schemes, as TestLooks has it.
func playLooks(ctx context.Context, t *testing.T, address string) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1440, 1000, 390} {
			err := chromedp.Do(ctx, inScheme(scheme), chromedp.EmulateViewport(width, 900), chromedp.Navigate(address))
			if err != nil {
				t.Fatal(err)
			}
			settled(ctx, t)
			for _, fault := range evaluate[[]string](ctx, t, look) {
				if fault != "the page loads something" { // its own files: see playPrivate
					t.Errorf("%s, %d wide: %s", scheme, width, fault)
				}
			}
			picture := evaluate[float64](ctx, t,
				`$("picture").shadowRoot.querySelector("svg").getBoundingClientRect().height`)
			if picture < 100 {
				t.Errorf("%s, %d wide: the picture is %v high", scheme, width, picture)
			}
			if *screenshots == "" {
				continue
			}
			shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err == nil {
				file := fmt.Sprintf("play-%s-%d.png", scheme, width)
				err = os.WriteFile(filepath.Join(*screenshots, file), shot, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}
