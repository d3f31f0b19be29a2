/* Word-level differences of two texts: lists of [text, changed]. Chinese, Japanese and Korean by character. */
const AFFORDABLE = 1e6;

function pieces(text) {
  return text.match(/\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\p{L}\p{N}_]+|\s+|./gsu) || [];
}

function sentences(text) {
  return text.match(/[^.!?。！？\n]{0,400}(?:[.!?。！？\n]+\s*|$)|[^.!?。！？\n]{400}/gu).filter(Boolean);
}

/* The steps from a to b: "=" both go on, "-" a does, "+" b does. Null where that would take too long. */
function steps(a, b) {
  let start = 0, end = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const x = a.slice(start, a.length - end), y = b.slice(start, b.length - end);
  if (x.length * y.length > AFFORDABLE) return null;
  const width = y.length + 1, table = new Uint16Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i -= 1)
    for (let j = y.length - 1; j >= 0; j -= 1)
      table[i * width + j] = x[i] === y[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
  const found = Array(start).fill("=");
  let i = 0, j = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) { found.push("="); i += 1; j += 1; }
    else if (j >= y.length || (i < x.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) { found.push("-"); i += 1; }
    else { found.push("+"); j += 1; }
  }
  return found.concat(Array(end).fill("="));
}

function marked(a, b, taken) {
  const left = [], right = [];
  let i = 0, j = 0;
  for (const step of taken) {
    if (step !== "+") left.push([a[i++], step === "=" ? 0 : 1]);
    if (step !== "-") right.push([b[j++], step === "=" ? 0 : 1]);
  }
  return [left, right];
}

/* Words where that is affordable; else sentence by sentence, and words inside of what changed. Null where not even that. */
function differences(before, after) {
  const a = pieces(before), b = pieces(after), taken = steps(a, b);
  if (taken) return marked(a, b, taken);
  const x = sentences(before), y = sentences(after), coarse = steps(x, y);
  if (!coarse || !coarse.includes("=")) return null;
  const left = [], right = [];
  let i = 0, j = 0, old = "", fresh = "";
  const flush = () => {
    const c = pieces(old), d = pieces(fresh), inner = steps(c, d) || [...c.map(() => "-"), ...d.map(() => "+")];
    const [l, r] = marked(c, d, inner);
    left.push(...l); right.push(...r);
    old = fresh = "";
  };
  for (const step of coarse) {
    if (step === "=") { flush(); left.push([x[i++], 0]); right.push([y[j++], 0]); }
    else if (step === "-") old += x[i++];
    else fresh += y[j++];
  }
  flush();
  return [left, right];
}
