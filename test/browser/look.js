// What is wrong with how a page looks, as a list of sentences.
(() => {
  const faults = [];
  const fault = text => { if (faults.length < 10) faults.push(text); };
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    fault(`the page is ${document.documentElement.scrollWidth} wide, its window ${width}`);

  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgba = text => text.match(/[\d.]+/g).map(Number);
  const contrasts = new Map(); // by colors: the pairs are few
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
      if (color[3] > 0) fault(`a background that shines through: ${e.tagName}`);
    }
    return [255, 255, 255];
  };
  const readable = element => {
    const color = getComputedStyle(element).color, under = ground(element);
    const key = color + under;
    if (!contrasts.has(key)) {
      const [low, high] = [luminance(rgba(color)), luminance(under)].sort((a, b) => a - b);
      contrasts.set(key, (high + 0.05) / (low + 0.05));
    }
    if (contrasts.get(key) < 4.5)
      fault(`contrast ${contrasts.get(key).toFixed(2)} of ${element.tagName} "${element.textContent.slice(0, 30)}"`);
  };

  const boxes = []; // of lines of text
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.tagName === "SCRIPT" || !element.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rects = [...range.getClientRects()].filter(r => r.width > 0.5 && r.height > 0.5);
    if (rects.length) readable(element);
    for (const r of rects) {
      boxes.push({left: r.left, right: r.right, top: r.top, bottom: r.bottom, text: node.textContent.trim().slice(0, 40)});
    }
  }
  for (const e of document.querySelectorAll("table, th, td, input, svg, li")) {
    const r = e.getBoundingClientRect();
    if (r.width && (r.left < -0.5 || r.right > width + 0.5)) fault(`${e.tagName} reaches from ${r.left} to ${r.right} of ${width}`);
  }
  boxes.sort((a, b) => a.top - b.top);
  boxes.forEach((a, i) => {
    if (a.left < -0.5 || a.right > width + 0.5) fault(`"${a.text}" is outside`);
    for (let j = i + 1; j < boxes.length && boxes[j].top < a.bottom - 2; j++) {
      const b = boxes[j];
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1) fault(`"${a.text}" overlaps "${b.text}"`);
    }
  });
  if (boxes.length < 10) fault(`only ${boxes.length} lines of text are looked at`);
  if (performance.getEntriesByType("resource").length) fault("the page loads something");
  if (window.hacked) fault("a name was run as a script");
  return faults;
})()
