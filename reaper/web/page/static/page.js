// Keeps the page fresh: fetches the same address and replaces <main>, leaving scroll, focus and selection as they are.
"use strict";
(() => {
  const every = Number(document.body.dataset.refresh) * 1000;
  if (!every) return;
  const freshness = document.getElementById("freshness");
  let paused = false;
  let good = Date.now();

  const say = (text, bad) => {
    if (freshness.textContent !== text) freshness.textContent = text;
    freshness.classList.toggle("text-bad", Boolean(bad));
  };

  const selecting = () => {
    const selection = getSelection();
    return selection !== null && !selection.isCollapsed && document.getElementById("main").contains(selection.anchorNode);
  };

  const copy = async (code, button) => {
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Without https the clipboard is out of reach: select the text, so that one key copies it.
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
      if (done) getSelection().removeAllRanges();
    }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };

  const offerCopies = () => {
    for (const code of document.querySelectorAll("code[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `copy-${code.id}`;
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy: ${code.textContent}`);
      button.addEventListener("click", () => copy(code, button));
      code.after(button);
    }
  };

  const replace = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const next = fresh.getElementById("main");
    if (next === null) throw new Error("not a page of ours");
    const focused = document.activeElement && document.activeElement.id;
    const open = [...document.querySelectorAll("#main details[open]")].map((one) => one.id);
    const [x, y] = [scrollX, scrollY];
    document.getElementById("main").replaceChildren(...next.childNodes);
    document.title = fresh.title;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    offerCopies();
    const again = focused && document.getElementById(focused);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
    scrollTo(x, y);
  };

  const refresh = async () => {
    if (paused || document.hidden || selecting()) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(every) });
      if (answer.status !== 200 && answer.status !== 404) throw new Error(`HTTP ${answer.status}`);
      const text = await answer.text();
      if (paused || selecting()) return;
      replace(text);
      good = Date.now();
      say("");
    } catch {
      const since = new Date(good).toISOString().slice(11, 19);
      say(`Old numbers: the reaper has not answered since ${since} UTC`, true);
    }
  };

  const pause = document.createElement("button");
  pause.type = "button";
  pause.id = "pause";
  pause.textContent = "Pause refresh";
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume refresh" : "Pause refresh";
    say(paused ? "Paused" : "");
    if (!paused) refresh();
  });
  document.getElementById("live").append(pause);
  offerCopies();
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, every);
})();
