"use strict";
(function () {
  const all = document.getElementById("open-all");
  const folds = () => Array.from(document.querySelectorAll("main details"));
  let opened = [];

  function unfold(target) {
    if (!target) return;
    const own = target.querySelector(":scope > details.fold");
    if (own) own.open = true;
    for (let up = target.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  }

  function follow() {
    const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
    unfold(target);
    if (target) target.scrollIntoView();
  }

  /* What scrolls sideways can be reached by keys, and then says what it is. */
  function reach(box) {
    const before = Array.from(box.closest(".card").querySelectorAll("h2, h3")).filter((each) => each.compareDocumentPosition(box) & Node.DOCUMENT_POSITION_FOLLOWING);
    const name = box.querySelector("caption, figcaption b") || before.pop();
    if (box.scrollWidth <= box.clientWidth) { for (const each of ["tabindex", "role", "aria-label"]) box.removeAttribute(each); return; }
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", name ? name.textContent.trim() : "");
  }

  const sizes = new ResizeObserver((seen) => seen.forEach(({ target }) => reach(target)));
  document.querySelectorAll(".card .scroll, .card figure").forEach((box) => sizes.observe(box));

  document.querySelectorAll("a[href^='#']").forEach((link) => link.addEventListener("click", () => unfold(document.getElementById(link.getAttribute("href").slice(1)))));
  window.addEventListener("hashchange", follow);
  window.addEventListener("beforeprint", () => { opened = folds().filter((each) => !each.open); opened.forEach((each) => { each.open = true; }); });
  window.addEventListener("afterprint", () => { opened.forEach((each) => { each.open = false; }); opened = []; });
  all.hidden = false;
  all.addEventListener("click", () => {
    const closed = folds().filter((each) => !each.open);
    (closed.length ? closed : folds()).forEach((each) => { each.open = closed.length > 0; });
    all.textContent = all.dataset[closed.length ? "close" : "open"];
  });
  follow();
})();
