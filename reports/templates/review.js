"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const words = data.words;
  let items = data.items;
  const slot = "sftgate-review-" + data.package;
  const at = (id) => document.getElementById(id);
  const CHOICES = data.choices;
  const SIDES = ["left", "right"];
  const detailed = data.reasons.length + data.criteria.length > 0;
  const say = (name, values = {}) => words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);

  // ---------------------------------------------------------------- what is remembered
  const known = new Set(items.map((item) => item.id));
  const blank = () => ({ choice: null, reasons: [], ratings: {}, comment: "", seconds: 0, when: "", touched: 0 });
  let state = { rater: "", sitting: "", votes: {} };
  let keeps = true;
  let unsaved = false;

  const shelf = (rater) => slot + ":" + rater;

  // Two people who give one name are told apart by this: drawn once for a name in a browser.
  function sitting(rater) {
    const drawn = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    try {
      const place = slot + "-sitting:" + rater;
      const known = localStorage.getItem(place);
      if (known && /^[0-9a-f]{16}$/.test(known)) return known;
      localStorage.setItem(place, drawn);
    } catch (error) {
      return drawn;
    }
    return drawn;
  }

  function restore(rater) {
    state = { rater, sitting: sitting(rater), votes: {} };
    try {
      state.votes = readVotes(localStorage.getItem(shelf(rater)));
    } catch (error) {
      warn(words.spoiled);
    }
  }

  function readVotes(text) {
    const votes = {};
    const saved = JSON.parse(text || "null");
    if (typeof saved !== "object" || saved === null) return votes;
    for (const [id, vote] of Object.entries(saved)) {
      if (!known.has(id) || typeof vote !== "object" || vote === null) continue;
      votes[id] = {
        choice: CHOICES.includes(vote.choice) ? vote.choice : null,
        reasons: Array.isArray(vote.reasons) ? data.reasons.filter((reason) => vote.reasons.includes(reason)) : [],
        ratings: readRatings(vote.ratings),
        comment: typeof vote.comment === "string" ? vote.comment : "",
        seconds: Number.isFinite(vote.seconds) ? vote.seconds : 0,
        when: typeof vote.when === "string" ? vote.when : "",
        touched: Number.isFinite(vote.touched) ? vote.touched : 0,
      };
    }
    return votes;
  }

  // Another tab may have been voted in: of each item, what was touched last stays. Does the other one lack something of ours?
  function merge(text) {
    let theirs = {};
    try {
      theirs = readVotes(text);
    } catch (error) {
      return true; // what is spoiled is written anew
    }
    for (const [id, vote] of Object.entries(theirs)) {
      if (!state.votes[id] || vote.touched > state.votes[id].touched) state.votes[id] = vote;
    }
    return Object.entries(state.votes).some(([id, vote]) => vote.touched > (theirs[id] ? theirs[id].touched : 0));
  }

  function readRatings(saved) {
    const ratings = {};
    if (typeof saved !== "object" || saved === null) return ratings;
    for (const criterion of data.criteria) {
      const rated = Object.hasOwn(saved, criterion) ? saved[criterion] : null;
      if (typeof rated !== "object" || rated === null) continue;
      for (const side of SIDES) {
        if ([1, 2, 3, 4, 5].includes(rated[side])) (ratings[criterion] ||= {})[side] = rated[side];
      }
    }
    return ratings;
  }

  function lastRater() {
    try {
      return localStorage.getItem(slot) || "";
    } catch (error) {
      return "";
    }
  }

  function keep() {
    try {
      merge(localStorage.getItem(shelf(state.rater)));
      localStorage.setItem(slot, state.rater);
      localStorage.setItem(shelf(state.rater), JSON.stringify(state.votes));
    } catch (error) {
      if (keeps) {
        keeps = false;
        warn(words.not_kept);
      }
    }
  }

  function warn(text) {
    at("notice").textContent = text;
    at("notice").hidden = false;
  }

  const entry = (id) => (state.votes[id] ||= blank());
  const touch = (id) => {
    const own = entry(id);
    own.touched = Math.max(Date.now(), own.touched + 1);
    if (own.choice) own.when = new Date(own.touched).toISOString(); // of two files of one sitting, the later one is known by it
    unsaved = true;
    return own;
  };
  const choiceOf = (item) => (state.votes[item.id] ? state.votes[item.id].choice : null);
  const voted = () => items.filter((item) => choiceOf(item)).length;
  const firstOpen = (from = 0) => {
    for (let step = 0; step < items.length; step += 1) {
      const index = (from + step) % items.length;
      if (!choiceOf(items[index])) return index;
    }
    return -1;
  };

  // ---------------------------------------------------------------- what is shown
  let position = 0;
  let shownAt = null;
  let screen = "start";

  // Text as it is; what stands between fences in an element of its own, as characters of one width.
  function pieces(text) {
    const found = [];
    let fence = "";
    for (const line of text.split(/(?<=\n)/)) {
      const mark = (/^ {0,3}(`{3,}|~{3,})/.exec(line) || ["", ""])[1];
      const opens = !fence && mark;
      if (opens) found.push(document.createElement("code"));
      else if (found.length === 0 || (!fence && typeof found.at(-1) !== "string")) found.push("");
      if (fence || opens) found.at(-1).append(line);
      else found[found.length - 1] += line;
      if (opens) fence = mark;
      else if (fence && mark.startsWith(fence) && line.trim() === mark) fence = "";
    }
    return found;
  }

  function put(id, text) {
    const node = at(id);
    const nothing = text.trim() === "";
    node.replaceChildren(...(nothing ? [words.nothing] : pieces(text)));
    node.classList.toggle("nothing", nothing);
  }

  function show(name) {
    screen = name;
    at("start").hidden = name !== "start";
    at("work").hidden = name !== "work";
    at("dock").hidden = name !== "work";
    at("rest").hidden = name !== "rest";
    at("pause").hidden = name !== "work";
    at("end").hidden = name !== "end";
    at("save-open").hidden = name !== "work";
    count();
    window.scrollTo(0, 0);
  }

  function count() {
    const done = voted();
    at("fill").style.width = (100 * done) / items.length + "%";
    at("track").setAttribute("aria-valuemax", String(items.length));
    at("track").setAttribute("aria-valuenow", String(done));
    const total = items.length === 1 ? words.total_one : say("total", { total: items.length });
    at("where").textContent =
      screen === "work" || screen === "rest"
        ? say("where", { place: position + 1, total: items.length, done, rater: state.rater })
        : screen === "end" ? say("where_end", { done, total, rater: state.rater }) : total;
  }

  function marks() {
    const choice = choiceOf(items[position]);
    for (const button of document.querySelectorAll("[data-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.choice === choice));
    }
    at("card-left").classList.toggle("chosen", choice === "left" || choice === "left_much");
    at("card-right").classList.toggle("chosen", choice === "right" || choice === "right_much");
  }

  function details() {
    const own = state.votes[items[position].id] || blank();
    for (const box of document.querySelectorAll("[data-reason]")) box.checked = own.reasons.includes(data.reasons[box.dataset.reason]);
    for (const radio of document.querySelectorAll("[data-criterion]")) {
      const rated = own.ratings[data.criteria[radio.dataset.criterion]] || {};
      radio.checked = rated[radio.dataset.side] === Number(radio.value);
    }
  }

  // ---------------------------------------------------------------- time with an item in view
  const running = () => screen === "work" && !document.hidden;

  function clock() {
    const now = performance.now();
    if (shownAt !== null) {
      const own = entry(items[position].id);
      own.seconds = Math.round((own.seconds + (now - shownAt) / 1000) * 10) / 10;
    }
    shownAt = running() ? now : null;
  }

  function open(index) {
    clock();
    shownAt = null;
    position = index;
    const item = items[index];
    put("question", item.question);
    put("left", item.left);
    put("right", item.right);
    at("comment").value = state.votes[item.id] ? state.votes[item.id].comment : "";
    at("previous").disabled = index === 0;
    marks();
    details();
    show("work");
    at("work").setAttribute("aria-label", words.item + " " + (index + 1) + " / " + items.length);
    at("work").focus({ preventScroll: true });
    shownAt = running() ? performance.now() : null;
    keep();
  }

  function rest() {
    clock();
    shownAt = null;
    keep();
    show("rest");
    at("rest-title").focus({ preventScroll: true });
  }

  function finish() {
    clock();
    shownAt = null;
    keep();
    const open = items.length - voted();
    at("end-title").textContent = open === 0 ? words.done : open === 1 ? words.open_one : say("open", { open });
    at("end-text").textContent = open === 0 ? words.done_text : words.open_text;
    at("resume").textContent = open === 0 ? words.over_again : words.to_first;
    at("export").value = votesText();
    show("end");
    at("end-title").focus({ preventScroll: true });
  }

  // ---------------------------------------------------------------- what is done
  function vote(choice) {
    const item = items[position];
    clock();
    entry(item.id).choice = choice;
    entry(item.id).comment = at("comment").value;
    touch(item.id);
    keep();
    marks();
    at("spoken").textContent = words.item + " " + (position + 1) + ": " + data.names[choice];
    if (detailed) count(); // there are reasons or ratings to give: whoever votes goes on when they are given
    else step(1);
  }

  function tick(box) {
    const own = touch(items[position].id);
    const chosen = new Set(own.reasons);
    const reason = data.reasons[box.dataset.reason];
    if (box.checked) chosen.add(reason);
    else chosen.delete(reason);
    own.reasons = data.reasons.filter((name) => chosen.has(name));
    keep();
  }

  function rate(radio) {
    const own = touch(items[position].id);
    (own.ratings[data.criteria[radio.dataset.criterion]] ||= {})[radio.dataset.side] = Number(radio.value);
    keep();
  }

  function step(by) {
    const target = position + by;
    if (target < 0) return;
    if (target >= items.length) finish();
    else open(target);
  }

  function said(item) {
    const own = state.votes[item.id];
    return own && (own.comment || (own.reasons || []).length || Object.keys(own.ratings || {}).length);
  }

  function votesText() {
    const votes = items
      .filter((item) => choiceOf(item) || said(item))
      .map((item) => {
        const { touched, ...vote } = state.votes[item.id];
        return { review_id: item.id, ...vote };
      });
    return JSON.stringify(
      {
        format: 2, kind: "sftgate-votes", package: data.package, commitment: data.commitment, rater: state.rater,
        sitting: state.sitting, saved: new Date().toISOString(), votes,
      },
      null,
      1,
    );
  }

  function save() {
    const link = document.createElement("a");
    const address = URL.createObjectURL(new Blob([votesText() + "\n"], { type: "application/json" }));
    link.href = address;
    link.download = "votes-" + data.package + "-" + (state.rater.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "rater") + ".json";
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    unsaved = false;
    at("spoken").textContent = say("saved_as", { file: link.download });
  }

  async function copy() {
    const button = at("copy");
    const text = votesText();
    let copied = false;
    try {
      await navigator.clipboard.writeText(text);
      copied = true;
    } catch (error) {
      const area = at("export");
      area.closest("details").open = true;
      area.focus();
      area.select();
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? words.copied : words.press_copy;
    setTimeout(() => { button.textContent = words.copy; }, 2500);
  }

  function help() {
    if (!at("help").open) at("help").showModal();
  }

  // ---------------------------------------------------------------- wiring
  at("start-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const rater = at("rater").value.trim();
    if (!rater) {
      at("rater").value = "";
      at("rater").focus();
      return;
    }
    begin(rater);
  });
  for (const button of document.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => vote(button.dataset.choice));
  }
  for (const box of document.querySelectorAll("[data-reason]")) box.addEventListener("change", () => tick(box));
  for (const radio of document.querySelectorAll("[data-criterion]")) radio.addEventListener("change", () => rate(radio));
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("save-open").addEventListener("click", finish);
  at("pause").addEventListener("click", rest);
  at("go-on").addEventListener("click", () => open(position));
  at("save").addEventListener("click", save);
  at("copy").addEventListener("click", copy);
  at("resume").addEventListener("click", () => open(Math.max(firstOpen(), 0)));
  at("help-open").addEventListener("click", help);
  at("comment").addEventListener("input", () => {
    touch(items[position].id).comment = at("comment").value;
    keep();
  });
  at("comment").addEventListener("keydown", (event) => {
    if ((event.key === "Enter" && !event.isComposing) || event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      at("work").focus({ preventScroll: true });
    }
  });

  const KEYS = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    u: () => { const index = firstOpen(position + 1); if (index >= 0) open(index); else finish(); },
    c: () => at("comment").focus(),
    s: finish,
    p: rest,
    r: () => { const first = document.querySelector("[data-reason], [data-criterion]"); if (first) first.focus(); },
    "?": help,
  };
  CHOICES.forEach((choice, index) => { KEYS[String(index + 1)] = () => vote(choice); });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || at("help").open) return;
    const field = event.target instanceof Element ? event.target.closest("input, textarea, select") : null;
    if (field) {
      if (screen === "work" && field.id !== "comment") inField(event, field);
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (screen === "work" && Object.hasOwn(KEYS, key)) {
      event.preventDefault();
      KEYS[key]();
    } else if (screen === "rest" && (key === "p" || key === "Enter") && !(event.target instanceof HTMLButtonElement)) {
      event.preventDefault();
      open(position);
    } else if (screen === "end" && key === "s") {
      event.preventDefault();
      save();
    } else if (screen === "end" && key === "ArrowLeft") {
      event.preventDefault();
      open(items.length - 1);
    } else if (key === "?" && screen !== "work") {
      help();
    }
  });

  // Among reasons and ratings: a digit rates and goes on to the next scale, Enter and Esc lead back to the item.
  function inField(event, field) {
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      at("work").focus({ preventScroll: true });
    } else if (field.type === "radio" && /^[1-5]$/.test(event.key)) {
      event.preventDefault();
      const scales = [...document.querySelectorAll(".scale")];
      const scale = field.closest(".scale");
      const radio = scale.querySelector("[value='" + event.key + "']");
      radio.checked = true;
      rate(radio);
      const next = scales[scales.indexOf(scale) + 1];
      if (next) (next.querySelector(":checked") || next.querySelector("input")).focus();
      else at("work").focus({ preventScroll: true });
    }
  }

  document.addEventListener("visibilitychange", clock);
  window.addEventListener("storage", (event) => {
    if (!state.rater || event.key !== shelf(state.rater)) return;
    warn(words.other_tab);
    if (merge(event.newValue)) keep();
    if (screen !== "work") return;
    if (document.activeElement !== at("comment")) at("comment").value = entry(items[position].id).comment;
    marks();
    details();
    count();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!keeps && unsaved) event.preventDefault();
  });

  // ---------------------------------------------------------------- begin
  function invited(rater) {
    const names = data.rater ? [data.rater] : Object.keys(data.raters);
    return names.length === 0 || names.includes(rater);
  }

  function begin(rater) {
    const own = Object.hasOwn(data.raters, rater) ? data.raters[rater] : null;
    items = own ? data.items.filter((item) => own.includes(item.id)) : data.items;
    restore(rater);
    keep();
    const index = firstOpen();
    if (index >= 0) open(index);
    else finish();
  }

  function welcome() {
    items = data.items;
    show("start");
    if (at("rater") instanceof HTMLInputElement) at("rater").value = "";
    at("rater").focus({ preventScroll: true });
  }

  at("another").addEventListener("click", welcome);
  at("start-count").textContent = items.length === 1 ? words.count_one : say("count", { total: items.length });
  if (data.guidance) at("guidance").textContent = data.guidance;
  const last = lastRater();
  if (last && invited(last)) begin(last);
  else welcome();
})();
