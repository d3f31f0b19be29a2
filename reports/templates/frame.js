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
