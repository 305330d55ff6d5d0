// Comforts only: every page works the same without this file.
(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const box = (one) => one.getBoundingClientRect();
  const seen = (one) => box(one).bottom > 0 && box(one).top < innerHeight;
  const room = () => Math.max(1, document.documentElement.scrollHeight - innerHeight);
  const changes = () => all(".cg-change[id]");
  const key = "consentgate:" + location.pathname;

  // The reading position: near the top, the place itself; else the change on the screen, else the share of the page.
  const place = () => {
    const mark = changes().find(seen);
    return [scrollY, scrollY / room(), mark ? mark.id : "", mark ? box(mark).top : 0];
  };
  const back = ([y, share, id, top]) => {
    const mark = id && document.getElementById(id);
    const to = y < innerHeight / 2 ? y : mark ? scrollY + box(mark).top - top : share * room();
    scrollTo({ top: to, behavior: "instant" });
  };

  // Another view without a reload. The whole page of that view takes the place of this one, with the sealed offer in
  // its form: what is decided is what stands on the screen, and the record names exactly that page.
  let busy = false;
  const show = async (wanted) => {
    const form = wanted.form;
    const body = form && new URLSearchParams(new FormData(form));
    if (body) body.append(wanted.name, wanted.value);
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    try {
      const options = body ? { method: "POST", body } : {};
      const answer = await fetch(form ? form.action : wanted.href, { ...options, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const chosen = page.querySelector(".cg-views [aria-current]");
      if (!answer.ok || !chosen) throw new Error();
      const kept = place();
      document.title = page.title;
      document.body.replaceWith(page.body);
      if (!form) history.replaceState(null, "", wanted.href);
      start();
      back(kept);
      chosen.focus({ preventScroll: true });
    } catch {
      // Whatever it is, the browser can show it.
      document.body.removeAttribute("aria-busy");
      if (form) form.requestSubmit(wanted);
      else location.assign(wanted.href);
    }
    busy = false;
  };

  // Previous and next change, from the one that was shown last or from where the reader is.
  let last = null;
  const go = (step) => {
    const marks = changes();
    let at = marks.indexOf(last);
    if (at < 0 || !seen(last)) {
      const below = marks.findIndex((one) => box(one).top > 0);
      at = (below < 0 ? marks.length : below) - (step > 0 ? 1 : 0);
    }
    last = marks[(at + step + marks.length) % marks.length];
    for (let fold = last.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    last.tabIndex = -1;
    last.focus({ preventScroll: true });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    last.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" });
  };

  const start = () => {
    for (const button of all("[data-cg-print]")) {
      button.hidden = false;
      button.addEventListener("click", () => print());
    }
    for (const button of changes().length > 1 ? all("[data-cg-step]") : []) {
      button.hidden = false;
      button.addEventListener("click", () => go(Number(button.dataset.cgStep)));
    }
    for (const link of all(".cg-views a, .cg-views button")) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        if (!busy) show(link);
      });
    }
    // Storage may be forbidden; then the page in the other language starts at its top, as without scripts.
    for (const link of all(".cg-languages a, .cg-languages button")) {
      link.addEventListener("click", () => {
        try {
          sessionStorage.setItem(key, JSON.stringify(place()));
        } catch {}
      });
    }
    // One click decides once; the server would answer the second with the first record anyway.
    for (const form of all("form[data-cg-decision]")) {
      let sent = -Infinity;
      form.addEventListener("submit", (event) => {
        if (performance.now() - sent < 3000) event.preventDefault();
        else sent = performance.now();
      });
    }
  };

  start();
  try {
    const kept = JSON.parse(sessionStorage.getItem(key));
    sessionStorage.removeItem(key);
    if (kept && !location.hash && !document.querySelector("[autofocus]")) back(kept);
  } catch {}
})();
