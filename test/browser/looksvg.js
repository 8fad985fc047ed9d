// What is wrong with how a picture looks, as a list of sentences.
(() => {
  const faults = [];
  const picture = document.documentElement, page = picture.viewBox.baseVal;
  const inside = (r, what) => {
    if (r.x < -0.5 || r.y < -0.5 || r.x + r.width > page.width + 0.5 || r.y + r.height > page.height + 0.5)
      faults.push(`${what} is outside: from ${r.x}, ${r.y} to ${r.x + r.width}, ${r.y + r.height}`);
  };
  const boxes = [...document.querySelectorAll("text")].map(e => [e.textContent, e.getBBox()]);
  for (const [text, r] of boxes) inside(r, `"${text}"`);
  for (const e of document.querySelectorAll("rect, path")) if (!e.getAttribute("transform")) inside(e.getBBox(), e.tagName);
  boxes.forEach(([text, a], i) => {
    for (const [other, b] of boxes.slice(i + 1)) {
      const over = (from, to, size) => Math.min(a[from] + a[size], b[from] + b[size]) - Math.max(a[from], b[from]);
      if (over("x", 0, "width") > 0.5 && over("y", 0, "height") > 3) faults.push(`"${text}" overlaps "${other}"`);
    }
  });
  if (boxes.length < 15) faults.push(`only ${boxes.length} texts`);
  if (picture.getAttribute("role") !== "img" || !document.querySelector("#title").textContent ||
    !document.querySelector("#desc").textContent) faults.push("no words for screen readers");
  if (performance.getEntriesByType("resource").length) faults.push("the picture loads something");
  return faults.slice(0, 10);
})()
