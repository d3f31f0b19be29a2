/* The item explorer: tabs, filters, the list, and the item that is open. */
(function () {
  const find = (id) => document.getElementById(id);
  const list = find("list"), pane = find("pane"), detail = find("detail"), search = find("search"), shown = find("shown"), told = find("told");
  const selects = { who: find("who"), where: find("where"), slice: find("slice"), flag: find("flag"), length: find("length") };
  const tabs = Array.from(document.querySelectorAll("[data-tab]")), blocks = Array.from(document.querySelectorAll("script.packed"));
  const HEIGHT = 57, MORE = 8, FAILING = 1, UNSTABLE = 2, DISPUTED = 4;
  const state = { tab: "lost", side: 1, words: [], found: [], at: -1, marking: true };
  const chosen = new Map();
  let stored, index, hits = null, reading = 0, unsaved = false;

  const statusOf = (row, side) => Number(index.sides[side].status[row]);
  const marksOf = (row, side) => Number(index.sides[side].marks[row]);
  const nameOf = (row) => [index.suites[index.suite[row]], index.tasks[index.task[row]], index.key[row]].filter(Boolean).join(" / ");

  const KINDS = {
    lost: (row) => statusOf(row, state.side) === 1,
    gained: (row) => statusOf(row, state.side) === 2,
    failing: (row) => statusOf(row, state.side) === 0 && (marksOf(row, 0) & marksOf(row, state.side) & FAILING) > 0,
    unstable: (row) => ((marksOf(row, 0) | marksOf(row, state.side)) & UNSTABLE) > 0,
    disputed: (row) => ((marksOf(row, 0) | marksOf(row, state.side)) & DISPUTED) > 0,
    error: (row) => statusOf(row, state.side) === 3 || statusOf(row, 0) === 3,
    all: () => true,
  };

  /* What a row must meet beside the tab: a list of tests, one for each filter that is set. */
  function wanted() {
    const tests = [], where = selects.where.value, slice = selects.slice.value, flag = selects.flag.value, length = selects.length.value;
    if (where) {
      const [suite, task] = where.split("|");
      tests.push((row) => index.suite[row] === Number(suite) && (task === "" || index.task[row] === Number(task)));
    }
    if (slice) {
      const [name, value] = slice.split("|").map(Number);
      tests.push((row) => index.slice[name][row] === value);
    }
    if (flag) tests.push((row) => ((index.sides[0].flags[row] | index.sides[state.side].flags[row]) & (1 << Number(flag))) > 0);
    if (length) {
      const [what, low, high] = length.split(":"), own = index.sides[state.side].length, base = index.sides[0].length;
      const inside = (size) => size >= Number(low) && size < Number(high);
      if (what === "a") tests.push((row) => own[row] >= 0 && inside(own[row]));
      if (what === "p") tests.push((row) => inside(index.asked[row]));
      if (what === "r") tests.push((row) => own[row] >= 0 && base[row] > 0 && (low === "0" ? own[row] <= base[row] * Number(high) : own[row] >= base[row] * Number(low)));
    }
    if (state.words.length && hits) tests.push((row) => hits[row] === 1);
    return tests;
  }

  function filter(keep) {
    const there = list.contains(document.activeElement), tests = wanted(), counts = Object.fromEntries(Object.keys(KINDS).map((name) => [name, 0])), found = [];
    for (let row = 0; row < index.key.length; row += 1) {
      if (!tests.every((test) => test(row))) continue;
      for (const name in KINDS) if (KINDS[name](row)) { counts[name] += 1; if (name === state.tab) found.push(row); }
    }
    const gain = index.sides[state.side].gain, real = new Set(index.real);
    const apart = (row) => Number(real.has(index.metric[row]));
    if (state.tab === "lost") found.sort((a, b) => apart(a) - apart(b) || gain[a] - gain[b] || a - b);
    if (state.tab === "gained") found.sort((a, b) => apart(a) - apart(b) || gain[b] - gain[a] || a - b);
    state.found = found;
    tabs.forEach((tab) => {
      tab.setAttribute("aria-pressed", String(tab.dataset.tab === state.tab));
      tab.querySelector(".count").textContent = counted(counts[tab.dataset.tab]);
    });
    const rest = state.words.length && hits && stored.unread ? " · " + say("unread", counted(stored.unread)) : "";
    shown.textContent = say("shown", counted(found.length), counted(index.key.length)) + (state.words.length && !hits ? " · " + say("reading") : rest);
    list.replaceChildren();
    list.style.height = found.length * HEIGHT + "px";
    find("nothing").hidden = found.length > 0;
    pane.scrollTop = 0;
    const position = keep === undefined ? 0 : found.indexOf(keep);
    choose(found.length ? Math.max(0, position) : -1, there);
    if (there && !found.length) back();
  }

  /* Draw the lines that can be seen, and the chosen one, which may have the focus. */
  function draw() {
    const from = Math.max(0, Math.floor(pane.scrollTop / HEIGHT) - MORE), to = Math.min(state.found.length, Math.ceil((pane.scrollTop + pane.clientHeight) / HEIGHT) + MORE);
    const there = new Map(Array.from(list.children, (line) => [Number(line.dataset.position), line]));
    const needed = new Set(Array.from({ length: Math.max(0, to - from) }, (_, place) => from + place));
    if (state.at >= 0) needed.add(state.at);
    there.forEach((line, position) => { if (!needed.has(position)) line.remove(); });
    for (const position of Array.from(needed).sort((a, b) => a - b)) if (!there.has(position)) place(line(state.found[position], position), position);
  }

  function place(node, position) {
    const next = Array.from(list.children).find((line) => Number(line.dataset.position) > position);
    list.insertBefore(node, next || null);
  }

  function line(row, position) {
    const status = statusOf(row, state.side) === 3 || statusOf(row, 0) === 3 ? 3 : statusOf(row, state.side);
    const item = make("li"), button = make("button"), head = make("span", null, "line"), mark = make("b", ICON[status], STATUS[status]);
    item.dataset.position = position;
    item.style.top = position * HEIGHT + "px";
    item.setAttribute("aria-setsize", state.found.length);
    item.setAttribute("aria-posinset", position + 1);
    button.type = "button";
    current(button, position === state.at);
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", say(STATUS[status]));
    head.append(mark, make("span", nameOf(row)));
    if (chosen.has(row)) head.append(make("i", "✓"));
    button.append(head, make("span", index.excerpt[row] || say("noPrompt"), "excerpt"));
    item.append(button);
    return item;
  }

  /* One line of the list is a stop of the Tab key; arrows lead to the others. */
  function current(button, is) {
    button.tabIndex = is ? 0 : -1;
    if (is) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
  }

  /* To the chosen item in the list; where there is none, to the tab that has none. */
  function back() {
    const button = list.querySelector("[aria-current]") || tabs.find((tab) => tab.dataset.tab === state.tab);
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "nearest" });
  }

  function choose(position, focus) {
    const old = list.querySelector("[aria-current]");
    if (old) current(old, false);
    state.at = position;
    if (position < 0) { reading += 1; detail.replaceChildren(make("p", say("choose"), "soft")); return; }
    const top = position * HEIGHT;
    if (top < pane.scrollTop || top + HEIGHT > pane.scrollTop + pane.clientHeight) pane.scrollTop = Math.max(0, top - pane.clientHeight / 3);
    draw();
    const button = list.querySelector(`[data-position="${position}"] button`);
    current(button, true);
    if (focus) button.focus({ preventScroll: true });
    show(state.found[position]);
  }

  /* Nothing of another item may stand there while this one is the chosen one. */
  function show(row) {
    return unfold(row).catch((error) => detail.replaceChildren(make("h3", nameOf(row)), make("p", say("unreadableItem", error.message), "note")));
  }

  async function unfold(row) {
    const turn = (reading += 1), texts = await stored.item(row);
    if (turn !== reading) return;
    const was = document.activeElement, inside = detail !== was && detail.contains(was), act = inside && was.dataset.act;
    const left = texts && texts.sides[0], right = texts && state.side ? texts.sides[state.side] : null;
    const others = strip(index, row, state.side, (side) => { state.side = side; selects.who.value = String(side); filter(row); });
    detail.replaceChildren(make("h3", nameOf(row)), buttons(row, texts), ...(others.childNodes.length ? [others] : []));
    const slices = index.slices.map(([name, values], place) => (index.slice[place][row] < 0 ? "" : name + ": " + values[index.slice[place][row]])).filter(Boolean);
    if (slices.length) detail.append(make("p", slices.join(" · "), "soft small"));
    if (!texts) detail.append(make("p", say("leftOut", blocks[0].dataset.beside), "note"));
    detail.append(make("h4", say("asked")), block(texts ? texts.prompt : index.excerpt[row] + "…"));
    if (texts) detail.append(...prompts(index, row, state.side, texts, (text) => copy(text, say(text.includes(CUT) ? "copiedPart" : "copiedPrompt"))));
    if (texts && texts.target) detail.append(make("h4", say("expected")), block(texts.target));
    const { bodies, whole } = compared(left, right, state.marking), sides = make("div", null, "sides");
    if (!whole) detail.append(make("p", say("tooFar"), "soft small"));
    sides.append(sideOf(index, row, 0, left, bodies[0]));
    if (state.side) sides.append(sideOf(index, row, state.side, right, bodies[1]));
    detail.append(sides);
    detail.dataset.row = row;
    detail.scrollTop = 0;
    if (inside) (detail.querySelector(`[data-act="${act === "toReview" ? "outOfReview" : act === "outOfReview" ? "toReview" : act}"]`) || detail).focus({ preventScroll: true });
    remember(row);
  }

  function buttons(row, texts) {
    const line = make("p", null, "acts");
    const act = (name, does) => { const button = make("button", say(name)); button.type = "button"; button.dataset.act = name; button.addEventListener("click", does); line.append(button); };
    if (texts) act("copyCase", () => copyCase(row));
    act("copyLink", () => copy(location.href.split("#")[0] + linkOf(row), say("copiedLink")));
    if (state.side) act(chosen.has(row) ? "outOfReview" : "toReview", () => review(row));
    return line;
  }

  /* Deep links: an item by its names, which outlive this page's row numbers. */
  function linkOf(row) {
    const parts = { item: JSON.stringify([index.suites[index.suite[row]], index.tasks[index.task[row]], index.key[row]]), tab: state.tab };
    if (state.side) parts.candidate = index.candidates[state.side];
    return "#" + new URLSearchParams(parts);
  }

  function remember(row) {
    if (state.touched) history.replaceState(null, "", linkOf(row));
  }

  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1)), item = asked.get("item");
    if (!item) return false;
    const row = index.key.findIndex((_, place) => JSON.stringify([index.suites[index.suite[place]], index.tasks[index.task[place]], index.key[place]]) === item);
    if (row < 0) { told.textContent = say("gone", item); find("items").scrollIntoView(); return false; }
    open(row, asked.get("candidate"), asked.get("tab"));
    find("items").scrollIntoView();
    return true;
  }

  function open(row, candidate, tab) {
    const side = index.candidates.indexOf(candidate);
    if (side > 0) state.side = side;
    state.words = []; search.value = ""; hits = null;
    for (const name of ["where", "slice", "flag", "length"]) selects[name].value = "";
    selects.who.value = String(state.side);
    state.tab = Object.hasOwn(KINDS, tab) && KINDS[tab](row) ? tab : Object.keys(KINDS).find((name) => KINDS[name](row));
    filter(row);
  }

  async function copy(text, done) {
    const box = find("copied");
    box.hidden = true;
    try {
      await navigator.clipboard.writeText(text);
      told.textContent = done;
    } catch {
      box.value = text;
      box.hidden = false;
      box.focus();
      box.select();
      told.textContent = say("notCopied");
    }
  }

  async function copyCase(row) {
    const texts = await stored.item(row), kind = index.case[row];
    if (!texts) { told.textContent = say("noCase"); return; }
    const made = { key: index.key[row], task: index.tasks[index.task[row]], prompt: texts.prompt };
    if (!(kind & 6)) made.target = texts.target;
    const slices = index.slices.map(([name, values], place) => [name, values[index.slice[place][row]]]).filter(([, value]) => value !== undefined);
    if (slices.length) made.slices = Object.fromEntries(slices);
    /* A target that is JSON is copied as it was written: read and written again it would lose digits. */
    const line = JSON.stringify(made).slice(0, -1) + (kind & 2 ? `,"target":${texts.target}}` : "}");
    copy(line + "\n", say(kind & 1 ? "copiedCase" : "notExact"));
  }

  /* Items for people to look at: one line of JSON each, to be saved. */
  function review(row) {
    if (chosen.has(row)) chosen.delete(row); else chosen.set(row, index.candidates[state.side]);
    unsaved = chosen.size > 0;
    find("tray").hidden = chosen.size === 0;
    find("chosen").textContent = say("chosen", counted(chosen.size));
    const there = list.contains(document.activeElement);
    list.replaceChildren();
    draw();
    if (there) back();
    show(row);
  }

  const reviewed = () => Array.from(chosen, ([row, candidate]) => JSON.stringify({
    suite: index.suites[index.suite[row]], task: index.tasks[index.task[row]], key: index.key[row], candidate, baseline: index.candidates[0],
  }) + "\n").join("");

  function save(text, name) {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function look() {
    hits = state.words.length && stored.ready ? stored.search(state.words) : null;
    filter();
  }

  function option(select, value, text) {
    const node = make("option", text);
    node.value = value;
    select.append(node);
  }

  function fill() {
    index.candidates.forEach((name, side) => { if (side || index.candidates.length === 1) option(selects.who, String(side), name); });
    option(selects.where, "", say("everywhere"));
    const places = new Map();
    index.suite.forEach((suite, row) => { if (!places.has(suite)) places.set(suite, new Set()); places.get(suite).add(index.task[row]); });
    places.forEach((tasks, suite) => {
      option(selects.where, suite + "|", index.suites[suite]);
      if (tasks.size > 1) tasks.forEach((task) => option(selects.where, suite + "|" + task, index.suites[suite] + " / " + index.tasks[task]));
    });
    option(selects.slice, "", say("anySlice"));
    index.slices.forEach(([name, values], place) => values.forEach((value, number) => option(selects.slice, place + "|" + number, name + ": " + value)));
    option(selects.flag, "", say("anyFlag"));
    index.flags.forEach((flag, bit) => option(selects.flag, String(bit), flag));
    for (const [value, text] of Object.entries(WORDS.lengths)) option(selects.length, value, text);
    selects.slice.parentNode.hidden = !index.slices.length;
    selects.flag.parentNode.hidden = !index.flags.length;
  }

  const step = (by) => { choose(Math.min(state.found.length - 1, Math.max(0, state.at + by)), true); back(); };
  const screenful = () => Math.max(1, Math.floor(pane.clientHeight / HEIGHT) - 1);
  const LISTED = {
    ArrowDown: () => step(1), ArrowUp: () => step(-1), PageDown: () => step(screenful()), PageUp: () => step(-screenful()),
    Home: () => step(-Infinity), End: () => step(Infinity),
  };
  const KEYS = {
    "/": () => { search.focus(); find("items").scrollIntoView(); },
    "?": () => { const help = find("keys"); help.open = !help.open; help.firstElementChild.focus(); },
    j: () => step(1), k: () => step(-1),
    "[": () => turn(-1), "]": () => turn(1),
    d: () => { state.marking = !state.marking; show(state.found[state.at]); },
    c: () => copyCase(state.found[state.at]),
    r: () => { if (state.side) review(state.found[state.at]); },
  };
  tabs.forEach((tab, place) => { KEYS[String(place + 1)] = () => { state.tab = tab.dataset.tab; filter(state.found[state.at]); }; });

  function turn(by) {
    const side = state.side + by;
    if (side < 1 || side >= index.candidates.length) return;
    state.side = side;
    selects.who.value = String(side);
    filter(state.found[state.at]);
  }

  function listen() {
    const touched = () => { state.touched = true; };
    for (const kind of ["pointerdown", "keydown"]) find("explorer").addEventListener(kind, touched, { capture: true });
    tabs.forEach((tab) => tab.addEventListener("click", () => { state.tab = tab.dataset.tab; filter(); }));
    selects.who.addEventListener("change", () => { state.side = Number(selects.who.value); filter(state.found[state.at]); });
    for (const name of ["where", "slice", "flag", "length"]) selects[name].addEventListener("change", () => filter());
    search.addEventListener("input", () => { state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean); look(); });
    list.addEventListener("click", (event) => { const item = event.target.closest("li"); if (item) choose(Number(item.dataset.position), false); });
    pane.addEventListener("scroll", draw, { passive: true });
    window.addEventListener("hashchange", follow);
    document.querySelectorAll("a[data-row]").forEach((link) => link.addEventListener("click", (event) => {
      event.preventDefault();
      state.touched = true;
      open(Number(link.dataset.row), link.dataset.candidate, "lost");
      find("items").scrollIntoView();
      back();
    }));
    find("save-review").addEventListener("click", () => { save(reviewed(), "review-items.jsonl"); unsaved = false; });
    find("copy-review").addEventListener("click", () => { copy(reviewed(), say("copiedList", counted(chosen.size))); unsaved = false; });
    window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); }); // the list is nowhere else
    find("clear-review").addEventListener("click", () => { chosen.clear(); unsaved = false; find("tray").hidden = true; filter(state.found[state.at]); back(); });
    const beside = find("beside");
    if (beside) beside.addEventListener("change", async () => {
      const file = beside.files[0];
      if (!file) return;
      try {
        const read = await stored.add(file);
        told.textContent = read === null ? say("foreign", file.name) : say("opened", counted(read), file.name);
      } catch (error) {
        told.textContent = say("broken", file.name, error.message);
      }
      beside.value = ""; // the same name chosen again is another file
      look();
    });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) back(); });
    document.addEventListener("keydown", (event) => {
      const { key, target } = event, inside = find("explorer").contains(target);
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !(inside || target === document.body)) return;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
      const does = key === "Escape" && inside ? back : typing ? null : list.contains(target) && Object.hasOwn(LISTED, key) ? LISTED[key] : KEYS[key];
      if (does && (state.at >= 0 || !"jkdcr".includes(key))) { state.touched = true; event.preventDefault(); does(); }
    });
  }

  async function start() {
    if (!blocks.length) return;
    if (typeof DecompressionStream === "undefined") { find("unpackable").hidden = false; return; }
    stored = await Stored.read(blocks);
    index = stored.index;
    if (!index.key.length) { find("no-items").hidden = false; return; }
    state.side = Math.min(1, index.candidates.length - 1);
    if (!state.side) state.tab = "all";
    fill();
    listen();
    find("explorer").hidden = false;
    selects.who.value = String(state.side);
    if (!follow()) filter();
    find("explorer").dataset.ready = "list";
    await stored.prepare();
    find("explorer").dataset.ready = "texts";
    if (state.words.length) look();
  }
  start();
})();
