"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent).items;
  const rows = data.rows, texts = data.texts, names = data.candidates;
  const find = (id) => document.getElementById(id);
  const list = find("list"), detail = find("detail"), search = find("search"), who = find("who"), where = find("where"), shown = find("shown");
  const tabs = Array.from(document.querySelectorAll("[data-tab]"));
  const STATUS = ["same", "lost", "gained", "error", "absent"], ICON = ["=", "▼", "▲", "!", "–"];
  const PAGE = 150;
  const state = { tab: "1", candidate: Math.min(1, names.length - 1), place: "", words: [], found: [], drawn: 0, at: -1 };
  let haystack = null;

  function make(tag, text, style) {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = text;
    if (style) node.className = style;
    return node;
  }
  const textOf = (number) => (number >= 0 ? texts[number] : null);
  const cellOf = (row, column) => row[8][column];
  function statusOf(row) {
    const cell = cellOf(row, state.candidate), base = cellOf(row, 0);
    if ((cell && cell[0] === 3) || (base && base[0] === 3)) return 3;
    return cell ? cell[0] : 4;
  }

  function hay() {
    if (haystack) return haystack;
    const lowered = texts.map((text) => text.toLowerCase());
    haystack = rows.map((row) => {
      const parts = [row[2].toLowerCase(), row[4] >= 0 ? lowered[row[4]] : row[6].toLowerCase()];
      for (const cell of row[8]) if (cell && cell[3]) for (const number of cell[3]) parts.push(lowered[number]);
      return parts.join("\n");
    });
    return haystack;
  }

  function inScope(row, index) {
    if (state.place) {
      const place = state.place.split("|");
      if (row[0] !== Number(place[0]) || (place[1] !== "" && row[1] !== Number(place[1]))) return false;
    }
    if (!state.words.length) return true;
    const text = hay()[index];
    return state.words.every((word) => text.includes(word));
  }

  function filter(keep) {
    const counts = { 1: 0, 2: 0, 3: 0, all: 0 };
    const found = [];
    rows.forEach((row, index) => {
      if (!inScope(row, index)) return;
      const status = statusOf(row);
      counts.all += 1;
      if (status in counts) counts[status] += 1;
      if (state.tab === "all" || Number(state.tab) === status) found.push(index);
    });
    const gain = (index) => { const cell = cellOf(rows[index], state.candidate); return cell ? cell[1] : 0; };
    const real = (index) => Number(data.real.includes(rows[index][3]));
    if (state.tab === "1") found.sort((a, b) => real(a) - real(b) || gain(a) - gain(b) || a - b);
    if (state.tab === "2") found.sort((a, b) => real(a) - real(b) || gain(b) - gain(a) || a - b);
    state.found = found;
    tabs.forEach((tab) => {
      tab.setAttribute("aria-pressed", String(tab.dataset.tab === state.tab));
      tab.querySelector(".count").textContent = counts[tab.dataset.tab].toLocaleString("en").replace(/,/g, "\u2009");
    });
    shown.textContent = found.length + " of " + rows.length + " items";
    list.replaceChildren();
    list.scrollTop = 0;
    state.drawn = 0;
    draw();
    if (!found.length) list.append(make("li", "No item here.", "none"));
    const position = keep === undefined ? 0 : found.indexOf(keep);
    choose(found.length ? Math.max(0, position) : -1, false);
  }

  function draw(upTo) {
    const end = Math.min(state.found.length, Math.max(state.drawn + PAGE, upTo || 0));
    const lines = document.createDocumentFragment();
    for (; state.drawn < end; state.drawn += 1) lines.append(line(state.found[state.drawn], state.drawn));
    list.append(lines);
  }

  function line(index, position) {
    const row = rows[index], status = statusOf(row);
    const item = make("li"), button = make("button");
    button.type = "button";
    button.dataset.position = position;
    const head = make("span", null, "line");
    const mark = make("b", ICON[status], STATUS[status]);
    mark.setAttribute("aria-label", STATUS[status]);
    head.append(mark, make("span", [data.suites[row[0]], data.tasks[row[1]], row[2]].filter(Boolean).join(" / ")));
    button.append(head, make("span", row[6] || "(no prompt)", "excerpt"));
    item.append(button);
    return item;
  }

  function choose(position, focus) {
    const old = list.querySelector("[aria-current]");
    if (old) old.removeAttribute("aria-current");
    state.at = position;
    if (position < 0) { detail.replaceChildren(make("p", "Choose another filter, candidate or suite.", "soft")); return; }
    if (position >= state.drawn) draw(position + PAGE);
    const button = list.children[position].firstChild;
    button.setAttribute("aria-current", "true");
    const top = button.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top + button.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 3;
    if (focus) button.focus({ preventScroll: true });
    show(state.found[position]);
  }

  function pieces(text) {
    return text.match(/\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\p{L}\p{N}_]+|\s+|./gsu) || [];
  }

  function differences(before, after) {
    const a = pieces(before), b = pieces(after);
    let start = 0, end = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
    while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
    const x = a.slice(start, a.length - end), y = b.slice(start, b.length - end);
    if (x.length * y.length > 1e6) return null;
    const width = y.length + 1, table = new Uint32Array((x.length + 1) * width);
    for (let i = x.length - 1; i >= 0; i -= 1)
      for (let j = y.length - 1; j >= 0; j -= 1)
        table[i * width + j] = x[i] === y[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    const left = a.slice(0, start).map((w) => [w, 0]), right = b.slice(0, start).map((w) => [w, 0]);
    let i = 0, j = 0;
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) { left.push([x[i], 0]); right.push([y[j], 0]); i += 1; j += 1; }
      else if (j >= y.length || (i < x.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) { left.push([x[i], 1]); i += 1; }
      else { right.push([y[j], 1]); j += 1; }
    }
    for (let k = a.length - end; k < a.length; k += 1) { left.push([a[k], 0]); right.push([a[k], 0]); }
    return [left, right];
  }

  function block(words, tag) {
    const node = make("pre");
    node.dir = "auto";
    if (typeof words === "string") { node.textContent = words; return node; }
    let run = "", marked = 0;
    const flush = () => { if (run) node.append(marked ? make(tag, run) : document.createTextNode(run)); run = ""; };
    for (const [word, changed] of words) { if (changed !== marked) { flush(); marked = changed; } run += word; }
    flush();
    return node;
  }

  function side(row, column, bodies, status) {
    const box = make("div", null, "side " + STATUS[status]), cell = cellOf(row, column);
    const head = make("h4", names[column] + (column === 0 ? " · baseline" : ""));
    head.className = "name";
    box.append(head);
    if (!cell) { box.append(make("p", "Not asked.", "soft")); return box; }
    const facts = make("p", null, "facts");
    if (column !== 0) facts.append(make("b", ICON[cell[0]] + " " + STATUS[cell[0]]));
    for (let i = 0; i < cell[2].length; i += 2) {
      const fact = make("span", data.metrics[cell[2][i]] + " ");
      fact.append(make("b", String(cell[2][i + 1])));
      facts.append(fact);
    }
    for (const flag of cell[4] || []) facts.append(make("span", "⚑ " + flag, "tagged"));
    if (cell.length < 4) { box.append(make("p", "Text left out to keep this file small; it is in the run folder.", "soft"), facts); return box; }
    if (textOf(cell[5]) !== null) box.append(block("Error: " + textOf(cell[5])));
    bodies.forEach((body) => box.append(body === "" ? make("p", "(empty answer)", "soft") : block(body, column === 0 ? "del" : "ins")));
    box.append(facts);
    for (const [judge, order, score, reason] of cell[6] || []) {
      box.append(make("h4", "Judge " + judge + (order === "alone" ? "" : ", answer on the " + order) + ": " + (score === null ? "unparsable" : score)));
      if (textOf(reason)) box.append(block(textOf(reason)));
    }
    return box;
  }

  function show(index) {
    const row = rows[index], base = cellOf(row, 0), other = cellOf(row, state.candidate);
    detail.replaceChildren(make("h3", [data.suites[row[0]], data.tasks[row[1]], row[2]].filter(Boolean).join(" / ")));
    if (row[7]) detail.append(make("p", Object.entries(row[7]).map(([name, value]) => name + ": " + value).join(" · "), "soft small"));
    const prompt = textOf(row[4]), target = textOf(row[5]);
    detail.append(make("h4", "Asked"), block(prompt !== null ? prompt : row[6] + "…"));
    if (target) detail.append(make("h4", "Expected"), block(target));
    const left = base && base[3] ? base[3].map(textOf) : [], right = other && other[3] ? other[3].map(textOf) : [];
    left.forEach((text, draw) => {
      if (draw >= right.length || text === right[draw] || !text || !right[draw]) return;
      const parts = differences(text, right[draw]);
      if (parts) { left[draw] = parts[0]; right[draw] = parts[1]; }
    });
    const sides = make("div", null, "sides");
    sides.append(side(row, 0, left, base && base[0] === 3 ? 3 : 0));
    if (state.candidate > 0) sides.append(side(row, state.candidate, right, other ? other[0] : 4));
    detail.append(sides);
    detail.scrollTop = 0;
  }

  function option(select, value, text) {
    const node = make("option", text);
    node.value = value;
    select.append(node);
  }

  function open(index, candidate) {
    const column = names.indexOf(candidate);
    if (column > 0) state.candidate = column;
    state.place = ""; state.words = []; search.value = ""; where.value = ""; who.value = String(state.candidate);
    const status = statusOf(rows[index]);
    state.tab = status > 0 && status < 4 ? String(status) : "all";
    filter(index);
  }

  function start() {
    if (!rows.length) return;
    names.forEach((name, column) => { if (column > 0 || names.length === 1) option(who, String(column), name); });
    option(where, "", "all suites");
    const places = new Map();
    rows.forEach((row) => { if (!places.has(row[0])) places.set(row[0], new Set()); places.get(row[0]).add(row[1]); });
    places.forEach((tasks, suite) => {
      option(where, suite + "|", data.suites[suite]);
      if (tasks.size > 1) tasks.forEach((task) => option(where, suite + "|" + task, data.suites[suite] + " / " + data.tasks[task]));
    });
    who.value = String(state.candidate);
    if (names.length === 1) state.tab = "all";
    tabs.forEach((tab) => tab.addEventListener("click", () => { state.tab = tab.dataset.tab; filter(); }));
    who.addEventListener("change", () => { state.candidate = Number(who.value); filter(state.found[state.at]); });
    where.addEventListener("change", () => { state.place = where.value; filter(); });
    search.addEventListener("input", () => { state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean); filter(); });
    list.addEventListener("click", (event) => { const button = event.target.closest("button"); if (button) choose(Number(button.dataset.position), false); });
    list.addEventListener("scroll", () => { if (list.scrollTop + list.clientHeight > list.scrollHeight - 400) draw(); }, { passive: true });
    document.querySelectorAll("a[data-row]").forEach((link) => link.addEventListener("click", (event) => {
      event.preventDefault();
      open(Number(link.dataset.row), link.dataset.candidate);
      find("items").scrollIntoView();
    }));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (typing) { if (event.key === "Escape") event.target.blur(); return; }
      if (event.key === "/") { event.preventDefault(); search.focus(); find("items").scrollIntoView(); }
      if (event.key === "j" || event.key === "k") {
        const next = state.at + (event.key === "j" ? 1 : -1);
        if (next >= 0 && next < state.found.length) choose(next, true);
      }
    });
    find("explorer").hidden = false;
    const asked = /^#item-(\d+)$/.exec(location.hash);
    if (asked && Number(asked[1]) < rows.length) open(Number(asked[1]), names[state.candidate]);
    else filter();
  }
  start();
})();
