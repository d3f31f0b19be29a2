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

  function lines(box) {
    const forest = box.querySelector("table.forest");
    if (!forest) return Array.from(box.querySelectorAll("svg")).map((picture) => ["", picture, ""]);
    return Array.from(forest.rows).filter((row) => row.closest("thead") === null).map((row) => {
      const picture = row.querySelector("svg"), cells = Array.from(row.cells);
      return picture ? [cells[0].textContent.trim(), picture, cells.slice(2).map((cell) => cell.textContent.trim()).join("  ")] : [row.textContent.trim(), null, ""];
    });
  }

  function drawing(box) {
    const style = getComputedStyle(document.body), shown = lines(box), wide = shown.some(([left, , right]) => left || right);
    const parts = [], words = { "font-family": style.fontFamily, "font-size": "12px", fill: style.color };
    let top = 8, width = 0;
    shown.forEach(([left, picture, right]) => {
      const view = picture ? picture.viewBox.baseVal : { width: 0, height: 22 }, start = wide ? 190 : 8;
      if (left) parts.push(element("text", { x: 8, y: top + 16, ...words }, left.replace(/\s+/g, " ")));
      if (picture) {
        const copy = dressed(picture);
        Object.entries({ x: start, y: top, width: view.width, height: view.height }).forEach(([key, value]) => copy.setAttribute(key, value));
        parts.push(copy);
      }
      if (right) parts.push(element("text", { x: start + view.width + 12, y: top + 16, ...words }, right.replace(/\s+/g, " ")));
      width = Math.max(width, start + view.width + (wide ? 300 : 8));
      top += view.height + (wide ? 0 : 8);
    });
    const root = element("svg", { width, height: top + 8, viewBox: "0 0 " + width + " " + (top + 8) });
    root.append(element("rect", { width: "100%", height: "100%", fill: getComputedStyle(box.closest(".card")).backgroundColor }), ...parts);
    return new XMLSerializer().serializeToString(root).replace(ILLEGAL, "\ufffd");
  }

  function cell(text) {
    const plain = text.replace(/(\d)[\u2009\u202f](?=\d{3})/g, "$1").replace(/\u2212/g, "-").trim().replace(/\s+/g, " ");
    const safe = /^[\0-\x20]*[=+\-@＝＋－＠]/.test(plain) && !/^[+-]?[\d.]+( ?(%|pp|s))?( \[[-+\d., …∞%ps]*\])?$/.test(plain) ? "'" + plain : plain;
    return '"' + safe.replace(/"/g, '""') + '"';
  }

  function numbers(box) {
    return Array.from(box.querySelectorAll("table")).map((table) =>
      Array.from(table.rows).map((row) => Array.from(row.cells).filter((each) => !each.querySelector("svg") && !("drawn" in each.dataset)).map((each) => cell(each.textContent)).join(",")).join("\r\n")).join("\r\n\r\n") + "\r\n";
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
