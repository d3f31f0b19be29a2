"use strict";
(function () {
  const DRAWN = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "font-family", "font-size", "font-weight", "paint-order"];
  /* What no XML file may hold. */
  const ILLEGAL = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
  const first = document.querySelector("svg"), SPACE = first && first.namespaceURI;

  function save(name, kind, text) {
    const link = document.createElement("a");
    const address = URL.createObjectURL(new Blob([text], { type: kind }));
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  function dressed(picture) {
    const copy = picture.cloneNode(true);
    const from = [picture, ...picture.querySelectorAll("*")], to = [copy, ...copy.querySelectorAll("*")];
    from.forEach((element, place) => {
      const seen = getComputedStyle(element);
      DRAWN.forEach((name) => { if (seen.getPropertyValue(name)) to[place].setAttribute(name, seen.getPropertyValue(name)); });
      to[place].removeAttribute("class");
    });
    return copy;
  }

  function element(name, attributes, text) {
    const made = document.createElementNS(SPACE, name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    if (text) made.textContent = text;
    return made;
  }

  const GAP = 12, LINE = 16, LEFT = 260, RIGHT = 430, WIDEST = 620;
  const pen = document.createElement("canvas").getContext("2d");

  function plain(text) { return text.trim().replace(/\s+/g, " "); }

  /* What a cell says: its lines are words apart, so that no number runs into the next one. */
  function said(cell) {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll("br").forEach((each) => each.replaceWith(" "));
    return plain(copy.textContent);
  }

  function wide(text, font) {
    pen.font = font;
    return pen.measureText(text).width;
  }

  /* As many lines as it takes; a word that is longer than a line is broken. */
  function wrapped(text, room, font) {
    const found = [];
    let line = "";
    for (const word of plain(text).split(" ")) {
      if (line && wide(line + " " + word, font) > room) { found.push(line); line = ""; }
      line += (line ? " " : "") + word;
      while (wide(line, font) > room && line.length > 1) {
        let end = line.length - 1;
        while (end > 1 && wide(line.slice(0, end), font) > room) end -= 1;
        found.push(line.slice(0, end));
        line = line.slice(end);
      }
    }
    return line ? [...found, line] : found;
  }

  /* What a row says on the left and right of its picture; each number with its column's name, where there are several. */
  function told(row, heads) {
    const cells = Array.from(row.cells), place = cells.findIndex((each) => each.querySelector("svg"));
    if (place < 0) return [cells.map(said).filter(Boolean).join(" · "), null, ""];
    const left = cells.slice(0, place).filter(said), right = cells.slice(place + 1).filter((each) => !/^–?$/.test(said(each)));
    const alone = right.length < 2 || row.closest("table.forest") !== null;
    const named = (each) => (heads[each.cellIndex] ? said(heads[each.cellIndex]) + " " : "") + said(each);
    const before = left.map((each) => (each.classList.contains("r") ? named(each) : said(each))), after = right.map(alone ? said : named);
    return [before.join(" · "), cells[place].querySelector("svg"), after.join(alone ? " " : " · ")];
  }

  function lines(box) {
    const tables = Array.from(box.querySelectorAll("table")).filter((table) => table.querySelector("td svg"));
    const free = Array.from(box.querySelectorAll("svg")).filter((picture) => !picture.closest("td"));
    return [...free.map((picture) => ["", picture, ""]), ...tables.flatMap((table) => {
      const heads = table.tHead ? table.tHead.rows[table.tHead.rows.length - 1].cells : [];
      return Array.from(table.rows).filter((row) => row.closest("thead") === null).map((row) => told(row, heads));
    })];
  }

  /* The title and what is to be known of the method; a forest's legend stands above all of them. */
  function heading(box) {
    const caption = box.querySelector("figcaption, caption"), drawn = box.querySelector("svg > title");
    const named = caption && (caption.tagName === "CAPTION" ? caption.firstChild : caption.querySelector("b"));
    const legend = box.querySelector("table.forest") && box.closest("section").querySelector(".legend");
    const notes = [...(caption ? caption.querySelectorAll(".small") : []), ...box.querySelectorAll(":scope > p.small")].map(said);
    if (caption && !named) notes.unshift(said(caption));
    if (legend) notes.push(Array.from(legend.children).map(said).join(", "));
    return [plain((named || drawn || { textContent: box.dataset.plot }).textContent), notes.filter((each, place) => each && notes.indexOf(each) === place).join(" ")];
  }

  function drawing(box) {
    const style = getComputedStyle(document.body), shown = lines(box), rows = shown.some(([left, , right]) => left || right);
    const font = "12px " + style.fontFamily, bold = "600 14px " + style.fontFamily;
    const words = { "font-family": style.fontFamily, "font-size": "12px", fill: style.color };
    const [title, note] = heading(box), parts = [];
    let top = GAP, width = 0;
    const write = (texts, x, from, looks) => texts.forEach((text, number) => {
      parts.push(element("text", { x, y: from + LINE * (number + 0.75), ...words, ...looks }, text));
      width = Math.max(width, x + wide(text, looks["font-size"] ? bold : font));
    });
    const put = (texts, looks) => { write(texts, GAP, top, looks); top += LINE * texts.length * (looks["font-size"] ? 1.25 : 1); };
    put(wrapped(title, WIDEST, bold), { "font-size": "14px", "font-weight": "600" });
    put(wrapped(note, WIDEST, font), {});
    top += GAP / 2;
    const start = rows ? GAP * 2 + Math.min(LEFT, Math.max(0, ...shown.filter(([, picture]) => picture).map(([left]) => wide(left, font)))) : GAP;
    shown.forEach(([left, picture, right]) => {
      if (!picture) { put(wrapped(left, WIDEST, font), { "font-weight": "600" }); return; }
      const view = picture.viewBox.baseVal, beside = start + view.width + GAP;
      const before = wrapped(left, start - GAP * 2, font), after = wrapped(right, RIGHT, font);
      const tall = Math.max(view.height, LINE * before.length, LINE * after.length);
      const copy = dressed(picture);
      Object.entries({ x: start, y: top + (tall - view.height) / 2, width: view.width, height: view.height }).forEach(([key, value]) => copy.setAttribute(key, value));
      write(before, GAP, top + (tall - LINE * before.length) / 2, {});
      parts.push(copy);
      write(after, beside, top + (tall - LINE * after.length) / 2, {});
      width = Math.max(width, start + view.width);
      top += tall + (rows ? 0 : 8);
    });
    const root = element("svg", { width: Math.ceil(width + GAP), height: Math.ceil(top + GAP), viewBox: "0 0 " + Math.ceil(width + GAP) + " " + Math.ceil(top + GAP) });
    root.append(element("title", {}, title), element("rect", { width: "100%", height: "100%", fill: getComputedStyle(box.closest(".card")).backgroundColor }), ...parts);
    return new XMLSerializer().serializeToString(root).replace(ILLEGAL, "\ufffd");
  }

  function cell(text) {
    const said = text.replace(/\u2212/g, "-").trim().replace(/\s+/g, " "), plain = /^[+-]?\d{1,3}(,\d{3})+(\.\d+)?( ?(%|pp|s))?$/.test(said) ? said.replace(/,/g, "") : said;
    const safe = /^[\0-\x20]*[=+\-@＝＋－＠]/.test(plain) && !/^[+-]?[\d.]+( ?(%|pp|s))?( \[[-+\d., …∞%ps]*\])?$/.test(plain) ? "'" + plain : plain;
    return '"' + safe.replace(/"/g, '""') + '"';
  }

  /* The cells of a row without its picture; one over several columns is followed by empty ones. */
  function fields(row, drawn) {
    let column = 0;
    return Array.from(row.cells).flatMap((each) => {
      const from = column, over = each.colSpan;
      column += over;
      const hidden = drawn >= from && drawn < column ? 1 : 0;
      return over - hidden < 1 ? [] : [cell(said(each)), ...Array(over - hidden - 1).fill('""')];
    });
  }

  function numbers(box) {
    return Array.from(box.querySelectorAll("table")).map((table) => {
      const heads = table.tHead ? Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells) : [];
      const drawn = heads.findIndex((each) => "drawn" in each.dataset);
      return Array.from(table.rows).map((row) => fields(row, drawn).join(",")).filter((line) => /[^",]/.test(line)).join("\r\n");
    }).join("\r\n\r\n") + "\r\n";
  }

  document.querySelectorAll("[data-plot]").forEach((box) => {
    const name = box.dataset.plot, tools = document.createElement("span");
    tools.className = "takeaway";
    [["SVG", () => save(name + ".svg", "image/svg+xml", drawing(box))], ["CSV", () => save(name + ".csv", "text/csv", "\ufeff" + numbers(box))]].forEach(([word, run]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = word;
      button.setAttribute("aria-label", word + ": " + name);
      button.addEventListener("click", run);
      tools.append(button);
    });
    box.prepend(tools);
  });
})();
