"""Measured in a browser: texts of pictures that leave their picture, or cover one another."""

from __future__ import annotations

FAULTS = """() => {
  const found = [];
  for (const picture of document.querySelectorAll('svg')) {
    if (!picture.checkVisibility() || picture.ownerSVGElement) continue;
    const frame = picture.getBoundingClientRect(), scale = frame.width / (picture.viewBox.baseVal.width || frame.width) || 1;
    const name = (picture.querySelector('title') || picture).textContent.slice(0, 60);
    const texts = [...picture.querySelectorAll('text')].map((each) => [each.getBoundingClientRect(), each.textContent]);
    const slack = 1.5 * scale;
    texts.forEach(([box, text], place) => {
      if (box.left < frame.left - slack || box.top < frame.top - slack || box.right > frame.right + slack ||
        box.bottom > frame.bottom + slack) found.push(name + ': outside: ' + text);
      texts.slice(place + 1).forEach(([other, word]) => {
        if (box.left < other.right - slack && other.left < box.right - slack && box.top < other.bottom - 4 * scale &&
          other.top < box.bottom - 4 * scale) found.push(name + ': touching: ' + text + ' | ' + word);
      });
    });
  }
  return found;
}"""
