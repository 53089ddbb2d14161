// What is live on the console's pages. Everything on them is there without it; this renews what has changed.
(() => {
  "use strict";
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;
  root.classList.add("scripted");

  // Every time is in UTC; its title says it in the reader's own zone too.
  const zones = (within) => {
    for (const time of $$("time[datetime]", within)) {
      const at = new Date(time.dateTime);
      if (!time.dataset.zoned && time.dateTime.includes("T") && !isNaN(at)) {
        time.dataset.zoned = "yes";
        time.title += "\n" + at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
      }
    }
  };
  zones(document);

  // Dark or light: what the browser prefers, until somebody says otherwise. The server is told by a cookie.
  const button = $("#theme");
  const prefers = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (prefers.matches ? "dark" : "light")) === "dark";
  const named = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", "Show in " + (dark() ? "light" : "dark") + " colours"); };
  button.hidden = false;
  named();
  prefers.addEventListener("change", named);
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    document.cookie = "deed-console-theme=" + root.dataset.theme + "; path=/console; max-age=31536000; samesite=lax";
    named();
  });

  // every calls f now and again, while the page is seen, and not while f still works. Where that fails the page says so, until all
  // that failed goes on.
  const failing = new Set();
  const every = (milliseconds, f) => {
    let busy = false;
    const turn = async () => {
      if (busy || document.hidden) return;
      busy = true;
      try { await f(); failing.delete(f); } catch { failing.add(f); }
      $("#lost").hidden = !failing.size;
      write($("#lost"), failing.size ? "Not connected: what is shown may be old" : "");
      busy = false;
    };
    setInterval(turn, milliseconds);
    document.addEventListener("visibilitychange", turn);
    turn();
  };

  const json = async (address) => {
    const answer = await fetch(address, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(20000) });
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  };

  const number = new Intl.NumberFormat("en");
  const write = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  // Parts: state, position, lag, chart and progress, and what is wrong with them.
  const showPart = (own, part) => {
    const live = (name) => $(`[data-live="${name}"]`, own);
    const told = (element, text) => { write(element, text); if (element) element.hidden = !text; };
    const state = $(".word", live("state") || own);
    if (state && live("state")) { state.className = "word word-" + part.state; write(state, part.state); }
    for (const name of ["position", "lag", "behind", "most", "tries", "error", "going", "parked", "held", "node", "unit"]) write(live(name), part[name]);
    for (const name of ["means", "instead", "on", "reads"]) told(live(name), part[name]);
    live("reads")?.classList.toggle("word-live", part.reads === "read");
    if (live("switch")) live("switch").hidden = part.reads !== "not read";
    for (const one of part.partitions || []) {
      const row = $(`[data-partition="${one.index}"]`, own);
      if (!row) continue;
      for (const name of ["node", "position", "lag"]) write($(`[data-cell="${name}"]`, row), one[name]);
      const word = $(`[data-cell="state"] .word`, row);
      word.className = "word word-" + one.state;
      write(word, one.state);
    }
    if (live("means")) live("means").className = "note note-" + part.state;
    if (live("trouble")) {
      const record = live("record");
      live("trouble").hidden = !part.error;
      record.hidden = !part.record;
      if (part.record) { record.href = part.address; write($(".number", record), part.record); }
    }
    if (live("held")) live("held").parentElement.hidden = !part.held;
    const parked = live("parked");
    if (parked) {
      parked.classList.toggle("nothing", !part.held);
      if (part.held) parked.href = parked.dataset.to; else parked.removeAttribute("href");
    }
    for (const [name, here] of [["pause", part.state !== "paused"], ["resume", part.state === "paused"]]) {
      const button = $(`[data-action="${name}"]`, own);
      if (button) button.hidden = !here;
    }
    $(".chart polyline", own)?.setAttribute("points", part.chart);
    const progress = live("progress");
    if (progress) {
      progress.hidden = !part.far;
      $("progress", progress).value = part.done;
    }
  };

  // What is to be looked at, and what is parked, is fetched again when there is another number of it, and while something that
  // was said waits; the fleet always is.
  const troubles = () => $("#attention") || $("#held") || $("#fleet");
  const renewTroubles = async () => {
    const answer = await fetch(location.href);
    const old = troubles();
    const fresh = answer.ok && $("#" + old.id, new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (!fresh || fresh.outerHTML === old.outerHTML) return;
    const at = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    old.replaceWith(document.adoptNode(fresh));
    zones(fresh);
    if (at) $(`a[href="${CSS.escape(at)}"]`, fresh)?.focus();
  };
  if ($("[data-part]") || troubles()) {
    let before = null;
    every(1000, async () => {
      const now = await json("/console/parts");
      write($("#head"), now.head);
      write($("#alerts a"), now.alerts);
      $("#alerts").hidden = !now.alerts;
      if (troubles()) {
        const counts = now.alerts + now.parts.map((part) => part.parked).join();
        if (troubles().dataset.renew || before !== null && before !== counts) await renewTroubles();
        before = counts;
      }
      for (const part of now.parts) {
        for (const own of $$(`[data-part="${CSS.escape(part.key)}"]`)) showPart(own, part);
      }
    });
  }

  // The map: what leads to a node and where it leads, and how much comes.
  const map = $("#map");
  if (map) {
    const lines = $$("path[data-from]", map);
    const nodes = new Map($$("[data-node]", map).map((node) => [node.dataset.node, node]));
    const point = (id) => {
      for (const lit of $$(".lit", map)) lit.classList.remove("lit");
      map.classList.toggle("pointed", Boolean(id));
      if (!id) return;
      nodes.get(id).classList.add("lit");
      for (const line of lines) {
        if (line.dataset.from !== id && line.dataset.to !== id) continue;
        line.classList.add("lit");
        nodes.get(line.dataset.from).classList.add("lit");
        nodes.get(line.dataset.to).classList.add("lit");
      }
    };
    for (const [id, node] of nodes) {
      node.addEventListener("mouseenter", () => point(id));
      node.addEventListener("mouseleave", () => point(""));
      node.addEventListener("focus", () => point(id));
      node.addEventListener("blur", () => point(""));
    }
    every(2000, async () => {
      const { events } = await json(map.dataset.rates);
      for (const shown of $$("[data-event]")) write(shown, events[shown.dataset.event] || (shown.tagName === "TD" ? "–" : ""));
    });
  }

  // The log: new records as they come, or a sample of them. Once it is calm the server sends the newest without a hole.
  const tail = $("#tail");
  if (tail) {
    const rows = $("#entries"), state = $("#tail-state"), rate = $("#tail-rate"), pause = $("#pause"), older = $("#older");
    const most = 200;
    let source = null, position = "", paused = false, counted = [], again = 0, calm = 0;
    tail.hidden = false;
    const stop = () => { clearTimeout(again); if (source) source.close(); source = null; };
    const sampled = () => tail.dataset.sampled === "yes";
    const goesOn = (address) => {
      older.parentElement.hidden = !address;
      if (address) older.setAttribute("href", address);
    };
    const quiet = () => {
      clearTimeout(calm);
      counted = [];
      write(rate, sampled() ? "a sample is shown" : "");
    };
    const speak = (message) => {
      const now = performance.now();
      counted.push([now, message.of, message.shown]);
      counted = counted.filter(([at]) => now - at < 3000);
      const sum = (i) => counted.reduce((n, one) => n + one[i], 0);
      const span = Math.max(now - counted[0][0] + 200, 1000) / 1000;
      const [of, shown] = [sum(1), sum(2)];
      const each = Math.max(Math.round(of / span), 1);
      let text = number.format(each) + (each === 1 ? " record/s" : " records/s");
      text += of > shown ? `, showing 1 of ${number.format(Math.round(of / shown))}` : "";
      if (message.behind > 1000) text += `, ${number.format(message.behind)} behind`;
      if (message.skipped) text += `, ${number.format(message.skipped)} positions passed over`;
      write(rate, text);
      clearTimeout(calm);
      calm = setTimeout(quiet, 3000);
    };
    const show = (message) => {
      const template = document.createElement("template");
      template.innerHTML = message.rows; // the server's own, escaped there
      zones(template.content);
      if (message.settled) {
        tail.dataset.sampled = "no";
        rows.replaceChildren(template.content);
        goesOn(message.older);
        quiet();
      } else {
        if (message.of > message.shown || message.skipped) tail.dataset.sampled = "yes";
        speak(message);
        if (!sampled()) for (const row of template.content.children) row.classList.add("new");
        rows.prepend(template.content);
      }
      while (rows.children.length > most) {
        rows.lastElementChild.remove();
        const before = new URL(tail.dataset.tail, location.href);
        before.searchParams.delete("after");
        before.searchParams.set("before", rows.lastElementChild.dataset.position);
        goesOn("/console/log" + before.search);
      }
      if (rows.children.length) {
        $("#none")?.remove();
        $("#records").hidden = false;
      }
      write($("#head"), number.format(message.position + (message.behind || 0)));
    };
    const start = () => {
      stop();
      if (paused || document.hidden) return;
      const address = new URL(tail.dataset.tail, location.href);
      if (position) address.searchParams.set("after", position);
      source = new EventSource(address);
      source.onopen = () => write(state, "live");
      source.onerror = () => {
        write(state, "not connected; trying again");
        if (source && source.readyState === EventSource.CLOSED) { stop(); again = setTimeout(start, 3000); }
      };
      source.addEventListener("records", (event) => {
        position = event.lastEventId;
        show(JSON.parse(event.data));
      });
    };
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      write(pause, paused ? "Go on" : "Pause");
      quiet();
      if (paused) { stop(); write(state, "paused"); } else { write(state, "connecting"); start(); }
    });
    document.addEventListener("visibilitychange", () => { if (!document.hidden && !source) start(); else if (document.hidden) stop(); });
    addEventListener("pagehide", stop);
    start();
  }

  // Time travel: the slider fetches the page of the version and takes what is shown of it.
  if ($("#travel")) {
    let wanted = "", fetching = false;
    const go = async () => {
      if (fetching) return;
      fetching = true;
      while (wanted) {
        const address = wanted;
        wanted = "";
        try {
          const answer = await fetch(address);
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = $("#travel", page);
          if (!answer.ok || !fresh) { location.href = address; return; }
          const held = document.activeElement ? document.activeElement.id : "";
          // The slider itself stays: somebody may be holding it.
          for (const id of ["travel-title", "then", "first", "prev", "next", "last", "events"]) {
            const now = document.getElementById(id), then = page.getElementById(id);
            if (now && then) now.replaceWith(document.adoptNode(then));
          }
          $("#travel").dataset.version = fresh.dataset.version;
          zones($("#then"));
          zones($("#events"));
          if (held && document.activeElement.id !== held) document.getElementById(held)?.focus();
          history.replaceState(null, "", address);
          document.title = page.title;
        } catch { location.href = address; return; }
      }
      fetching = false;
    };
    const to = (version) => { const at = new URL(location.href); at.search = "?version=" + version; at.hash = ""; wanted = at.href; go(); };
    document.addEventListener("input", (event) => { if (event.target.id === "version") to(event.target.value); });
    document.addEventListener("click", (event) => {
      const link = event.target.closest && event.target.closest("#travel .slider a.button");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const version = new URL(link.href).searchParams.get("version");
      $("#version").value = version;
      to(version);
    });
  }
})();
