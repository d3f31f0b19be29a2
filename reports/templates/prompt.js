/* A prompt as a model saw it: the chat template's own text, the contents in it, and the tokenizer's special tokens wherever they
   stand. Everything is written with textContent. */
const CUT = " characters left out …\n", AROUND = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;

/* What one side saw, piece by piece: [text, whether it is a content]. Null where that is not known. */
function sawOf(index, row, side, texts) {
  const number = index.sides[side].frame[row], told = texts.sides[side];
  if (number < 0 || !told) return null;
  const [parts, special] = index.frames[number], contents = told.contents || [told.prompt === null ? texts.prompt : told.prompt];
  const found = parts.map((part) => typeof part === "string" ? [part, false] : [part < 0 ? contents[-1 - part].replace(AROUND, "") : contents[part], true]);
  return { pieces: found, special, text: found.map(([text]) => text).join("") };
}

/* Where the special tokens stand: [from, to]. */
function tokensIn(saw) {
  if (!saw.special.length) return [];
  const pattern = new RegExp(saw.special.map((token) => token.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("|"), "gu");
  return Array.from(saw.text.matchAll(pattern), (found) => [found.index, found.index + found[0].length]);
}

/* What is only on this side: [from, to], a special token whole or not at all. */
function changed(changes, tokens) {
  const found = [];
  let at = 0, next = 0;
  for (const [text, is] of changes) {
    const from = at, to = (at += text.length);
    if (!is) continue;
    while (next < tokens.length && tokens[next][1] <= from) next += 1;
    const first = next < tokens.length && tokens[next][0] < from ? tokens[next][0] : from;
    let last = to;
    for (let place = next; place < tokens.length && tokens[place][0] < to; place += 1) last = Math.max(to, tokens[place][1]);
    const before = found[found.length - 1];
    if (before && first <= before[1]) before[1] = Math.max(before[1], last);
    else found.push([first, last]);
  }
  return found;
}

/* The text with its pieces told apart, and what is different marked. */
function drawn(saw, changes, tag) {
  const node = make("pre"), cuts = new Set([0, saw.text.length]), tokens = tokensIn(saw), styles = [];
  const note = (kind, from, to) => { cuts.add(from).add(to); styles.push([from, to, kind]); };
  let at = 0;
  for (const [text, content] of saw.pieces) { note(content ? "content" : "own", at, at + text.length); at += text.length; }
  tokens.forEach(([from, to]) => note("token", from, to));
  changed(changes || [], tokens).forEach(([from, to]) => note("changed", from, to));
  const places = Array.from(cuts).sort((a, b) => a - b), starts = new Map(), open = { content: 0, own: 0, token: 0, changed: 0 };
  for (const [from, to, kind] of styles) for (const [place, step] of [[from, 1], [to, -1]]) { if (!starts.has(place)) starts.set(place, []); starts.get(place).push([kind, step]); }
  places.slice(0, -1).forEach((from, place) => {
    for (const [kind, step] of starts.get(from) || []) open[kind] += step;
    const part = make(open.changed ? tag : "bdi", saw.text.slice(from, places[place + 1]));
    part.dir = "auto";
    part.className = [open.own ? "own" : "", open.token ? "token" : ""].filter(Boolean).join(" ");
    node.append(part);
  });
  return node;
}

/* One side's prompt, drawn when it is opened. */
function opened(title, saw, cut, copy, changes, tag) {
  const node = folded(title), button = make("button", say("copyPrompt")), line = make("p", null, "acts");
  node.className = "saw";
  button.type = "button";
  button.addEventListener("click", () => copy(saw.text));
  line.append(button, make("span", say("templated"), "soft small"));
  node.addEventListener("toggle", () => {
    if (!node.open || node.childNodes.length > 1) return;
    if (cut) node.append(make("p", say("beheaded"), "note"));
    node.append(drawn(saw, changes, tag), line);
  });
  return node;
}

/* What both sides saw, once where it is the same, else side by side. */
function prompts(index, row, side, texts, copy) {
  const sides = side ? [0, side] : [0], asked = sides.filter((each) => texts.sides[each] && texts.sides[each].error === null);
  const saw = sides.map((each) => sawOf(index, row, each, texts)), bit = index.flags.indexOf("context_cut");
  const cut = (each) => bit >= 0 && (index.sides[each].flags[row] & (1 << bit)) > 0;
  const known = sides.filter((_, place) => saw[place]), unknown = asked.filter((each) => !known.includes(each));
  const nodes = unknown.length > 0 && !known.length ? [make("p", say("unseenAll"), "soft small")] : unknown.map((each) => make("p", say("unseen", index.candidates[each]), "soft small"));
  if (known.length < 2 || (saw[0].text === saw[1].text && cut(0) === cut(side))) {
    const [only] = known;
    if (only === undefined) return nodes;
    const one = saw[sides.indexOf(only)], all = known.length === sides.length, size = counted(one.text.length);
    return [opened(all ? say("seen", size) : say("seenBy", index.candidates[only], size), one, cut(only), copy), ...nodes];
  }
  const changes = differences(saw[0].text, saw[1].text) || [null, null], grid = make("div", null, "sides");
  sides.forEach((each, place) => {
    const box = make("div", null, "side"), title = say("seenBy", index.candidates[each], counted(saw[place].text.length));
    box.append(opened(title, saw[place], cut(each), copy, changes[place], each ? "ins" : "del"));
    grid.append(box);
  });
  const folds = Array.from(grid.querySelectorAll("details"));
  folds.forEach((each) => each.addEventListener("toggle", () => folds.forEach((other) => { other.open = each.open; })));
  return saw[0].text === saw[1].text ? [grid] : [make("p", say("seenOtherwise"), "small"), grid];
}
