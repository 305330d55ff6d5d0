// Comforts only: every page works the same without this file.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Print.
  for (const button of all("[data-cg-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // One click decides once; the server would answer the second with the first record anyway.
  for (const form of all("form[data-cg-decision]")) {
    let sent = 0;
    form.addEventListener("submit", (event) => {
      if (Date.now() - sent < 3000) event.preventDefault();
      else sent = Date.now();
    });
  }

  // Keep the reading position when the language or the view changes, or after the back button.
  const key = "consentgate:" + location.pathname;
  try {
    const kept = sessionStorage.getItem(key);
    sessionStorage.removeItem(key);
    if (kept && !location.hash && !document.querySelector("[autofocus]")) {
      const [share] = JSON.parse(kept);
      scrollTo({ top: share * (document.documentElement.scrollHeight - innerHeight), behavior: "instant" });
    }
    const keep = () => {
      const room = document.documentElement.scrollHeight - innerHeight;
      if (room > 0) sessionStorage.setItem(key, JSON.stringify([scrollY / room]));
    };
    for (const link of all(".cg-views a, .cg-views button, .cg-languages a, .cg-languages button")) {
      link.addEventListener("click", keep);
    }
  } catch {
    // Storage may be forbidden; then the page starts at its top, as without scripts.
  }

  // Previous and next change.
  const changes = all(".cg-change[id]");
  let place = -1;
  const go = (step) => {
    if (!changes.length) return;
    place = (place + step + changes.length) % changes.length;
    const target = changes[place];
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" });
  };
  for (const button of all("[data-cg-step]")) {
    if (changes.length < 2) continue;
    button.hidden = false;
    button.addEventListener("click", () => go(Number(button.dataset.cgStep)));
  }
})();
