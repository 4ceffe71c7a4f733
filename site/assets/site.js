"use strict";
// What every page does: colors, the menu on a phone, copying code, and the search. Without this
// script all pages can be read.
(() => {
  const root = document.documentElement;
  const byID = (id) => document.getElementById(id);

  const theme = byID("theme");
  theme.value = root.dataset.theme || "auto";
  theme.addEventListener("change", () => {
    root.dataset.theme = theme.value;
    try { localStorage.setItem("theme", theme.value); } catch { }
  });

  const menu = document.querySelector("button.menu");
  menu.addEventListener("click", () => {
    const open = menu.getAttribute("aria-expanded") !== "true";
    menu.setAttribute("aria-expanded", String(open));
    pages.classList.toggle("open", open);
  });
  const pages = byID("pages"), current = pages.querySelector("[aria-current]");
  if (current) pages.scrollTop = current.offsetTop - pages.clientHeight / 2;

  for (const pre of document.querySelectorAll("article pre")) {
    const frame = document.createElement("div");
    frame.className = "code";
    pre.replaceWith(frame);
    const copy = document.createElement("button");
    copy.type = "button";
    copy.textContent = "Copy";
    copy.addEventListener("click", async () => {
      copy.textContent = await self.copyText(pre.innerText) ? "Copied" : "Not copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
    frame.append(pre, copy);
  }

  self.copyText = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { // no permission, or neither HTTPS nor the file system
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      return copied;
    }
  };

  // The index loads when the search opens for the first time.
  let index;
  const load = () => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = root.dataset.root + "search-index.js";
    script.onload = () => done(self.evenkeelIndex);
    script.onerror = failed;
    document.head.append(script);
  });

  const dialog = byID("search"), words = byID("words"), list = byID("found"), count = byID("count");
  const open = () => {
    if (dialog.open) return;
    dialog.showModal();
    words.select();
    index ??= load().then((all) => all.map((one) => ({ ...one, text: [one.p, one.t, one.w].join(" ").toLowerCase() })));
    search();
  };
  document.querySelector("button.seek").addEventListener("click", open);
  document.addEventListener("keydown", (e) => {
    if (e.key === "k" && (e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey) {
      e.preventDefault();
      open();
    }
  });
  dialog.addEventListener("click", (e) => { if (e.target === dialog) dialog.close(); });

  // rank counts for more what stands in a title; 0 means that a word is missing.
  const rank = (one, wanted) => {
    let sum = 0;
    for (const word of wanted) {
      if (!one.text.includes(word)) return 0;
      const title = (one.t || one.p).toLowerCase();
      sum += title === word || title.endsWith("." + word) ? 12 : title.includes(word) ? 6 : one.p.toLowerCase().includes(word) ? 3 : 1;
    }
    return sum + (one.t ? 0 : .5);
  };

  const excerpt = (one, word) => {
    const all = one.w || "";
    const at = all.toLowerCase().indexOf(word);
    const from = Math.max(0, at - 60);
    return (from > 0 ? "… " : "") + all.slice(from, from + 160) + (all.length > from + 160 ? " …" : "");
  };

  async function search() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let all;
    try { all = await index; } catch { count.textContent = "The index could not be loaded."; return; }
    const hits = wanted.length === 0 ? [] : all.map((one) => ({ one, rank: rank(one, wanted) }))
      .filter((hit) => hit.rank > 0).sort((a, b) => b.rank - a.rank);
    count.textContent = wanted.length === 0 ? "" : hits.length === 1 ? "1 place" : `${hits.length} places`;
    list.replaceChildren(...hits.slice(0, 30).map(({ one }) => {
      const item = document.createElement("li"), a = document.createElement("a"), p = document.createElement("p");
      a.href = root.dataset.root + one.u;
      a.textContent = one.t ? `${one.p}: ${one.t}` : one.p;
      a.addEventListener("click", () => dialog.close());
      p.textContent = excerpt(one, wanted[0]);
      item.append(a, p);
      return item;
    }));
  }
  words.addEventListener("input", search);
  dialog.querySelector("form").addEventListener("submit", (e) => {
    const first = list.querySelector("a");
    if (e.submitter === null || document.activeElement === words) {
      e.preventDefault();
      if (first) first.click();
    }
  });
})();
