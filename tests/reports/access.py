"""What axe-core has to say about a page, for whoever cannot see it well, or at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

GRAVE = ("serious", "critical")

_ALIKE = """(before) => {
  const seen = new Set(before), shapes = new Map();
  const TOLD = ["class", "role", "type", "tabindex", "hidden", "open", "disabled", "aria-current", "aria-pressed", "aria-hidden"];
  const hash = (text) => {
    let found = 7;
    for (let place = 0; place < text.length; place += 1) found = Math.imul(found ^ text.charCodeAt(place), 16777619);
    return found >>> 0;
  };
  const shape = (node) => {
    const own = Array.from(node.childNodes).some((each) => each.nodeType === 3 && each.data.trim());
    const names = node.getAttributeNames().map((name) => name + (TOLD.includes(name) ? node.getAttribute(name) : "")).sort();
    const found = hash([node.tagName, own, names, [...new Set(Array.from(node.children, shape))].sort()].join());
    shapes.set(node, found);
    return found;
  };
  const walk = (node, path) => {
    for (const each of node.children) {
      const kind = hash(path + "/" + shapes.get(each));
      if (each.ownerSVGElement || (seen.has(kind) && !each.querySelector("h1, h2, h3, h4"))) each.dataset.alike = "";
      else { seen.add(kind); walk(each, path + "/" + each.tagName + each.className); }
    }
  };
  shape(document.body);
  walk(document.body, "");
  return [...seen];
}"""


def pass_over(tab: Page, seen: set[int]) -> None:
    """Mark what differs in its words only from a neighbour, or from what ``seen`` had in that place of a page before: a thousand
    rows alike take axe a minute and tell it nothing. Parts of pictures are marked, too: a picture is one image with a name."""
    seen.update(tab.evaluate(_ALIKE, list(seen)))


def faults(
    tab: Page, within: str = "html", impacts: Sequence[str] = ("minor", "moderate", *GRAVE), rules: Sequence[str] = ()
) -> list[str]:
    """What axe finds wrong, with the first element of each; not in what was passed over. ``rules``: these alone."""
    from axe_playwright_python.sync_playwright import Axe

    options: dict[str, object] = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = Axe().run(tab, {"include": [[within]], "exclude": [["[data-alike]"]]}, options).response["violations"]
    return [f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in impacts]
