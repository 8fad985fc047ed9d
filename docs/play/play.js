// The page: it hands what is typed to podvet in the worker, and shows the answers.
"use strict";
const $ = id => document.getElementById(id);
const waitToType = 250; // ms
const longestAnswer = 30_000; // ms
let longest = 256 << 10; // bytes of a text

// element makes one with children, which are elements or text.
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

// ---- podvet in its worker

let worker, asked = 0, due;
const waiting = new Map(); // calls by their number

function start() {
  worker = new Worker("worker.js");
  worker.onmessage = ({data}) => {
    if (data.ready) return loaded(data.longest);
    if (data.gone) return restart("podvet has stopped while it read this manifest.");
    if (data.id === undefined) return fail(`podvet does not start. ${data.failed}. Reload the page.`);
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    clearTimeout(call?.timer);
    if (data.failed !== undefined) call?.reject(new Error(data.failed));
    else call?.resolve(JSON.parse(data.answer));
  };
  worker.onerror = event => {
    event.preventDefault();
    fail(location.protocol === "file:" ? "Browsers do not run podvet from a file. Run make play, or open this page from a web server."
      : "podvet does not start. Reload the page.");
  };
}

function ask(call, ...args) {
  return new Promise((resolve, reject) => {
    const id = ++asked;
    const timer = setTimeout(() => restart(`podvet did not answer in ${longestAnswer / 1000} s.`), longestAnswer);
    waiting.set(id, {resolve, reject, timer});
    worker.postMessage({id, call, args});
  });
}

// restart leaves what podvet was busy with, and says so. The next change is answered again.
function restart(why) {
  worker.terminate();
  for (const {reject, timer} of waiting.values()) {
    clearTimeout(timer);
    reject(new Error(""));
  }
  waiting.clear();
  ready = false;
  stoppedBy = $("manifest").value;
  changed = changedToo = false;
  start();
  fail(`${why} It has been started again. Change the manifest, or paste another one. ` +
    "If podvet stops again, please report the manifest on GitHub.");
}

function fail(why) {
  $("failure").textContent = why;
  $("failure").hidden = false;
  $("status").textContent = "";
}

let ready = false, stoppedBy; // a text that podvet is not handed again until it has changed
function loaded(limit) {
  ready = true;
  longest = limit;
  if ($("manifest").value !== stoppedBy) check();
}

// ---- findings and fixes

let changed = false, changedToo = false; // a check is under way, and the text has changed meanwhile
let fixed = ""; // the text with the fixes

function typed() {
  numberLines();
  clearTimeout(due);
  due = setTimeout(check, waitToType);
}

async function check() {
  if (!ready) return;
  if (changed) {
    changedToo = true;
    return;
  }
  const text = $("manifest").value;
  $("failure").hidden = true;
  const size = new Blob([text]).size;
  if (!text.trim() || size > longest) {
    clear();
    if (text.trim()) {
      fail(`This manifest has ${Math.ceil(size / 1024)} KiB. The page takes up to ${longest >> 10} KiB. ` +
        "Paste a part of it, or run podvet check on your machine.");
    } else $("status").textContent = "Paste a manifest, or choose an example.";
    return;
  }
  changed = true;
  try {
    showChecked(await ask("check", text));
    if (text === $("manifest").value) await draw();
  } catch (problem) {
    if (problem.message) fail(`podvet cannot read this manifest: ${problem.message}. Please report it on GitHub.`);
  }
  changed = false;
  if (changedToo) {
    changedToo = false;
    check();
  }
}

function clear() {
  $("findings").replaceChildren();
  $("json").textContent = "";
  $("fixes").hidden = $("timeline").hidden = $("report").hidden = true;
}

function showChecked(checked) {
  const report = JSON.parse(checked.report);
  $("json").textContent = checked.report;
  $("report").hidden = false;
  const items = report.invalid.map(p => [p.line, finding("invalid", p.line, p.message)]);
  for (const s of report.subjects) {
    const title = report.subjects.length > 1 ? `${s.kind} ${s.name}` : "";
    for (const f of s.findings) items.push([f.line, finding(f.level, f.line, f.message, f.rule, title)]);
    for (const f of s.fixed) items.push([f.line, finding("fixed", f.line, f.message, f.rule, title)]);
  }
  for (const p of checked.left) {
    const said = report.invalid.some(i => i.line === p.line && i.message === p.message);
    if (!said) items.push([p.line, finding("note", p.line, p.message)]);
  }
  for (const n of report.notes) items.push([n.line, finding("note", n.line, n.message)]);
  items.sort((a, b) => a[0] - b[0]);
  $("findings").replaceChildren(...items.map(item => item[1]));
  $("status").textContent = summary(report);
  fixed = checked.fixed;
  $("fixes").hidden = !checked.diff;
  $("diff").replaceChildren(...diffLines(checked.diff));
}

const words = {deny: "refused", warn: "warning", audit: "note", note: "note", fixed: "fixed", invalid: "error"};
const rules = "https://github.com/podvet/podvet/blob/main/docs/rules/";

function finding(level, line, message, rule, title) {
  const item = element("li", level, element("span", "level", words[level]));
  const text = element("p", "");
  if (title) text.append(element("strong", "", title), ": ");
  const id = rule ? ` [${rule}]` : "";
  text.append(id && message.endsWith(id) ? message.slice(0, -id.length) : message);
  if (level === "fixed") text.append(" podvet fixes this.");
  const places = element("p", "places");
  if (line) {
    const to = element("button", "line", `line ${line}`);
    to.type = "button";
    to.onclick = () => goTo(line);
    places.append(to);
  }
  if (rule) {
    const link = element("a", "", rule);
    link.href = `${rules}${rule}.md`;
    places.append(link);
  }
  item.append(element("div", "", text, places));
  return item;
}

function summary(report) {
  const {subjects, deny, warn, audit, fixable, invalid, passedOver} = report.summary;
  const count = (n, one, many) => n ? [`${n} ${n === 1 ? one : many}`] : [];
  const parts = [...count(invalid, "error", "errors"), ...count(deny, "refused", "refused"),
    ...count(warn, "warning", "warnings"), ...count(fixable, "fixed", "fixed"), ...count(audit, "note", "notes"),
    ...count(passedOver, "object skipped", "objects skipped")];
  if (subjects && !deny && !warn && !fixable && !audit && !invalid) parts.unshift("podvet finds nothing wrong");
  return parts.join(", ");
}

function diffLines(diff) {
  return diff.split("\n").slice(0, -1).map(line => {
    const kind = {"+": "added", "-": "removed", "@": "place"}[line[0]] ?? "";
    return element("span", /^(\+\+\+|---) /.test(line) ? "place" : kind, line + "\n");
  });
}

// ---- the editor

const lineHigh = 20; // px, as in play.css
let lines = 1; // of the text

function numberLines() {
  lines = $("manifest").value.split("\n").length;
  showNumbers();
}

// showNumbers has the numbers of the lines that can be seen.
function showNumbers() {
  const {scrollTop, clientHeight} = $("manifest");
  const top = 10 - scrollTop; // of the first line
  const first = Math.max(0, Math.ceil(-top / lineHigh));
  const begin = top + first * lineHigh;
  const shown = Math.min(lines - first, Math.floor((clientHeight - begin) / lineHigh));
  $("numbers").textContent = Array.from({length: Math.max(shown, 0)}, (_, i) => first + i + 1).join("\n");
  $("numbers").style.paddingTop = `${begin}px`;
}

function goTo(line) {
  const area = $("manifest"), all = area.value.split("\n");
  const begin = all.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0);
  area.focus();
  area.setSelectionRange(begin, begin + (all[line - 1] ?? "").length);
  area.scrollTop = (line - 5) * lineHigh;
  area.scrollIntoView({block: "nearest"});
}

function put(text) {
  $("manifest").value = text;
  $("manifest").scrollTop = 0;
  scenario = {...chosen};
  numberLines();
  check();
}

async function example() {
  const name = $("example").value;
  try {
    const file = await fetch(`examples/${name}`);
    if (!file.ok) throw new Error(`HTTP status ${file.status}`);
    put(await file.text());
  } catch (problem) {
    fail(`The example cannot be loaded: ${problem.message}. Paste a manifest of your own.`);
  }
}

// ---- the timeline

const chosen = {pod: 0, container: "", chosen: true};
const sliders = {boot: n => `${n} s`, hang: n => n ? `${n} s` : "no hang",
  delete: n => n ? `${n} s` : "not deleted", stop: n => `${n} s`};
const ranges = {boot: 300, hang: 900, delete: 900, stop: 120};
let scenario = {...chosen};
let drawing = false, drawAgain = false, sheet;

// draw shows the scenario as it is now: of changes that come while podvet draws, the last one counts.
async function draw() {
  if (drawing) {
    drawAgain = true;
    return;
  }
  drawing = true;
  try {
    do {
      drawAgain = false;
      const drawn = await ask("draw", $("manifest").value, JSON.stringify(scenario));
      if (!drawAgain) showDrawn(drawn);
    } while (drawAgain);
  } catch (problem) {
    if (problem.message) fail(`podvet cannot draw this pod: ${problem.message}. Please report it on GitHub.`);
  }
  drawing = drawAgain = false;
}

function showDrawn(drawn) {
  $("timeline").hidden = !drawn.svg;
  if (!drawn.svg) return;
  const now = drawn.scenario;
  for (const [name, say] of Object.entries(sliders)) {
    const slider = $(name);
    slider.max = Math.max(ranges[name], now[name]);
    slider.value = now[name];
    tell(name, now[name]);
  }
  scenario = {...now, container: scenario.chosen ? scenario.container : now.container};
  choices("pod", drawn.pods.map(p => p.title), now.pod, drawn.pods.map((_, i) => i));
  const names = drawn.pods[now.pod].containers;
  choices("container", names, now.container, names);
  $("words").textContent = `Scenario: ${drawn.words}.`;
  $("choose").hidden = now.chosen;
  const same = drawn.lives.length === 1;
  $("verdicts").replaceChildren(...drawn.lives.map(l =>
    element("p", "", element("strong", "", same ? "Verdict: " : `${l.as[0].toUpperCase()}${l.as.slice(1)}: `), l.verdict)));
  $("text").textContent = drawn.text;
  show(drawn.svg);
}

function tell(name, value) {
  $(`${name}-value`).textContent = sliders[name](value);
  $(name).setAttribute("aria-valuetext", sliders[name](value));
}

function choices(name, texts, now, values) {
  const select = $(name);
  select.replaceChildren(...texts.map((text, i) => new Option(text, values[i], false, values[i] === now)));
  $(`${name}s`).hidden = texts.length < 2;
}

// show puts the picture in a tree of its own: its style is about all text, and the page allows no style in its own.
function show(svg) {
  const host = $("picture");
  const root = host.shadowRoot ?? host.attachShadow({mode: "open"});
  const picture = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const style = picture.querySelector("style");
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(style.textContent + ".timeline{--page:var(--paper);display:block;width:100%;min-width:720px;height:auto}");
    root.adoptedStyleSheets = [sheet];
  }
  style.remove();
  root.replaceChildren(document.importNode(picture, true));
}

function moved(name) {
  scenario = {...scenario, container: $("container").value, chosen: false, [name]: Number($(name).value)};
  tell(name, scenario[name]);
  draw();
}

// ---- what people do

for (const name of Object.keys(sliders)) $(name).oninput = () => moved(name);
$("choose").onclick = () => {
  scenario = {...chosen, pod: scenario.pod};
  draw();
  $("boot").focus(); // the button goes
};
$("pod").onchange = () => {
  scenario = {...chosen, pod: Number($("pod").value)};
  draw();
};
$("container").onchange = () => {
  scenario = {...scenario, container: $("container").value};
  draw();
};
$("manifest").oninput = () => {
  $("example").value = "";
  scenario = {...scenario.chosen ? chosen : scenario, pod: scenario.pod};
  typed();
};
$("manifest").onscroll = showNumbers;
new ResizeObserver(showNumbers).observe($("manifest"));
$("example").onchange = example;
$("apply").onclick = () => {
  const kept = scenario.pod;
  put(fixed);
  scenario.pod = kept;
  $("example").value = "";
  $("manifest").focus();
};

start();
if ($("manifest").value) typed(); // the browser has kept what was typed
else example();
