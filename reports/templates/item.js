/* One item: what was asked, what each side answered, and what was made of it. Everything is written with textContent. */
const STATUS = ["same", "regressed", "improved", "error", "absent", "uncompared"], ICON = ["=", "▼", "▲", "!", "–", "·"];
const number = (value) => String(value).replace("-", "−");

function block(words, tag) {
  const node = make("pre");
  node.dir = "auto";
  if (typeof words === "string") { node.textContent = words; return node; }
  let run = "", changed = 0;
  const flush = () => { if (run) node.append(changed ? make(tag, run) : document.createTextNode(run)); run = ""; };
  for (const [word, now] of words) { if (now !== changed) { flush(); changed = now; } run += word; }
  flush();
  return node;
}

function folded(title, ...inside) {
  const node = make("details");
  node.append(make("summary", title), ...inside);
  return node;
}

/* Scores and flags of one side, from the index: they are there for every item. */
function facts(index, row, side) {
  const line = make("p", null, "facts"), own = index.sides[side], status = Number(own.status[row]), scores = own.score[row] || [];
  if (side) line.append(make("b", ICON[status] + " " + say(STATUS[status]), STATUS[status]));
  for (let place = 0; place < scores.length; place += 2) {
    const fact = make("span", index.metrics[scores[place]] + " ");
    fact.append(make("b", number(scores[place + 1])));
    line.append(fact);
  }
  index.flags.forEach((flag, bit) => { if (own.flags[row] & (1 << bit)) line.append(make("span", "⚑ " + flag, "tagged")); });
  return line;
}

/* One answer: its draw's scores, the text, what was graded of it, what was thought before it. */
function answer(index, row, side, told, place, body) {
  const nodes = [], draws = index.sides[side].draws[row] || [], count = draws.length ? draws[0][1].length : 1;
  if (told.outputs.length > 1) {
    const title = make("h4", place < count ? say("draw", place + 1) : say("earlier", place - count + 1));
    for (const [metric, values] of draws) if (place < count) title.append(" · " + index.metrics[metric] + " ", make("b", number(values[place])));
    nodes.push(title);
  }
  if (told.thinking[place]) nodes.push(folded(say("thinking", counted(told.thinking[place].length)), block(told.thinking[place])));
  nodes.push(body === "" ? make("p", say("emptyAnswer"), "soft") : block(body, side ? "ins" : "del"));
  if (place in told.extracted) {
    const graded = make("p", say("graded") + ": ", "graded small"), text = told.extracted[place];
    graded.append(text === null ? make("i", say("unreadable")) : make("bdi", text, "mono"));
    nodes.push(graded);
  }
  return nodes;
}

/* Opinions as a table: a judge's criteria by row, the orders in which the answers were shown by column. */
function opinions(judgments) {
  const orders = ["alone", "left", "right"].filter((order) => judgments.some((each) => each.order === order));
  const rows = new Map();
  for (const each of judgments) {
    if (!orders.includes(each.order)) continue;
    const name = [each.judge, each.criterion, each.draw ? say("draw", each.draw + 1) : ""].filter(Boolean).join(" · ") || say("judge");
    if (!rows.has(name)) rows.set(name, {});
    const cell = rows.get(name);
    (cell[each.order] = cell[each.order] || []).push(each);
  }
  const table = make("table", null, "opinions small"), head = make("tr");
  const corner = make("th", say("judge"));
  corner.scope = "col";
  head.append(corner, ...orders.map((order) => { const node = make("th", say(order)); node.scope = "col"; return node; }));
  table.append(make("thead"), make("tbody"));
  table.tHead.append(head);
  rows.forEach((cell, name) => {
    const line = make("tr"), title = make("th", name);
    title.scope = "row";
    const scores = ["left", "right"].map((order) => cell[order] && cell[order][0].score);
    if (typeof scores[0] === "number" && typeof scores[1] === "number" && Math.abs(scores[0] - scores[1]) >= 0.5) title.append(make("span", say("turned"), "tagged"));
    line.append(title);
    for (const order of orders) {
      const box = make("td");
      for (const each of cell[order] || []) {
        box.append(make("b", each.score === null ? say("unparsable") : number(each.score)));
        if (each.reason) { const reason = make("div", each.reason, "reason"); reason.dir = "auto"; box.append(reason); }
      }
      line.append(box);
    }
    table.tBodies[0].append(line);
  });
  return table;
}

function sideOf(index, row, side, told, bodies) {
  const status = Number(index.sides[side].status[row]), box = make("div", null, "side " + STATUS[status]);
  box.append(make("h4", index.candidates[side] + (side ? "" : " · " + say("baseline")), "name"));
  if (status === 4) { box.append(make("p", say("notAsked"), "soft")); return box; }
  box.append(facts(index, row, side));
  if (!told) return box;
  if (told.prompt) box.append(folded(say("askedOf", index.candidates[side]), block(told.prompt)));
  if (told.error !== null) box.append(block(say("failed") + ": " + told.error));
  bodies.forEach((body, place) => box.append(...answer(index, row, side, told, place, body)));
  if (told.judgments.length) box.append(make("h4", say("judged")), opinions(told.judgments));
  return box;
}

/* How the other candidates did, to be chosen. */
function strip(index, row, side, choose) {
  const line = make("p", null, "others small");
  index.candidates.forEach((name, other) => {
    if (!other || other === side) return;
    const status = Number(index.sides[other].status[row]), button = make("button", ICON[status] + " " + name, STATUS[status]);
    button.type = "button";
    button.title = say(STATUS[status]);
    button.append(make("span", " " + say(STATUS[status]), "sr"));
    button.addEventListener("click", () => choose(other));
    line.append(button);
  });
  if (line.childNodes.length) line.prepend(say("others") + ": ");
  return line;
}

/* The two answers with what is different marked, draw by draw, where that is wanted. */
function compared(left, right, wanted) {
  const bodies = [left ? left.outputs.slice() : [], right ? right.outputs.slice() : []];
  let whole = true;
  bodies[0].forEach((text, place) => {
    const other = bodies[1][place];
    if (!wanted || !text || !other || text === other) return;
    const parts = differences(text, other);
    if (parts) [bodies[0][place], bodies[1][place]] = parts;
    else whole = false;
  });
  return { bodies, whole };
}
