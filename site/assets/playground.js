"use strict";
// The playground: a form that makes settings, two workers that run the simulator on them, one for
// each policy, and two charts that grow while they run. The address carries the settings.
(() => {
  const byID = (id) => document.getElementById(id);
  const form = byID("playground"), sides = ["own", "beside"];
  const before = 10, after = 40; // seconds around the fault, as package playground has them

  // The form and the JSON. The JSON is what is run; the fields of the form change parts of it.

  const milliseconds = (text) => {
    const unit = { ns: 1e-6, us: 1e-3, "µs": 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5 };
    let sum = 0, rest = String(text);
    for (let m; (m = /^([\d.]+)(ns|us|µs|ms|s|m|h)/.exec(rest)); rest = rest.slice(m[0].length)) sum += m[1] * unit[m[2]];
    return rest === "" && sum > 0 ? sum : null;
  };
  const duration = (ms) => ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
  const parsed = () => {
    try {
      const policy = JSON.parse(byID("policy").value);
      return policy !== null && typeof policy === "object" && !Array.isArray(policy) ? policy : null;
    } catch {
      return null;
    }
  };

  // Each field of the form: how it reads the policy, and how it writes it. A value of undefined
  // takes the name out, which stands for the default.
  const fixed = (name) => ({
    read: (p) => milliseconds(typeof p[name] === "object" ? p[name]?.fixed : p[name]),
    write: (p, text) => { p[name] = text === "" ? undefined : duration(Number(text)); },
  });
  const jitter = (at, other) => ({
    read: (p) => milliseconds(p.backoff?.full_jitter?.[at]),
    write: (p, text) => {
      const all = { base: byID("base").value, cap: byID("cap").value, [at]: text };
      const base = Number(all.base || 50), cap = Number(all.cap || Math.max(20000, base));
      p.backoff = all.base === "" && all.cap === "" ? undefined : { full_jitter: { base: duration(base), cap: duration(cap) } };
    },
  });
  const fields = {
    attempts: { read: (p) => p.max_attempts, write: (p, text) => { p.max_attempts = text === "" ? undefined : Number(text); } },
    budget: {
      read: (p) => p.budget === undefined ? "" : optionFor(byID("budget"), JSON.stringify(p.budget)),
      write: (p, text) => { if (text !== "json") p.budget = text === "" ? undefined : JSON.parse(text); },
    },
    base: jitter("base"), cap: jitter("cap"), timeout: fixed("attempt_timeout"), hedge: fixed("hedge"),
  };
  const optionFor = (select, value) => [...select.options].some((o) => o.value === value) ? value : "json";
  const showPolicy = () => {
    const policy = parsed();
    byID("policy").setAttribute("aria-invalid", String(policy === null));
    if (policy === null) return;
    for (const [id, field] of Object.entries(fields)) byID(id).value = field.read(policy) ?? "";
  };
  for (const [id, field] of Object.entries(fields)) {
    byID(id).addEventListener("change", () => {
      if (!byID(id).checkValidity()) return;
      const policy = parsed() ?? {};
      field.write(policy, byID(id).value);
      byID("policy").value = JSON.stringify(policy, null, 2);
      showPolicy();
    });
  }
  byID("policy").addEventListener("input", showPolicy);
  for (const id of ["clients", "rate", "lasts"]) {
    byID(id).addEventListener("input", () => { byID(`${id}-number`).value = byID(id).value; });
    byID(`${id}-number`).addEventListener("input", () => { byID(id).value = byID(`${id}-number`).value; });
  }

  // The size of a fault has another meaning and range for each fault.
  const showSize = (size) => {
    const of = byID("fault").selectedOptions[0].dataset, slider = byID("size");
    byID("size-row").hidden = of.size === "";
    if (of.size === "") return;
    document.querySelector("label[for=size]").textContent = of.size;
    Object.assign(slider, { min: of.least, max: of.most, step: of.step });
    slider.value = size ?? of.usual;
    saySize();
  };
  const saySize = () => {
    const of = byID("fault").selectedOptions[0].dataset, v = Number(byID("size").value);
    const words = of.unit === "s" ? `${v} s` : `${Math.round(100 * v)} % ${of.unit}`;
    byID("size-value").textContent = words;
    byID("size").setAttribute("aria-valuetext", words);
  };
  byID("fault").addEventListener("change", () => showSize());
  byID("size").addEventListener("input", saySize);

  // Settings, and the link that carries them.

  const settings = () => ({
    clients: Number(byID("clients-number").value), rate: Number(byID("rate-number").value), fault: byID("fault").value,
    size: byID("size-row").hidden ? 0 : Number(byID("size").value), lasts: Number(byID("lasts-number").value),
    seed: Number(byID("seed").value), policy: parsed(), beside: JSON.parse(byID("beside").value),
  });
  const link = () => {
    const s = settings(), q = new URLSearchParams();
    for (const [name, value] of Object.entries(s)) q.set(name, ["policy", "beside"].includes(name) ? JSON.stringify(value) : value);
    return `#${q}`;
  };
  const restore = () => {
    const q = new URLSearchParams(location.hash.slice(1));
    if (!q.has("fault")) return;
    for (const id of ["clients", "rate", "lasts"]) {
      if (q.has(id)) byID(id).value = byID(`${id}-number`).value = q.get(id);
    }
    if ([...byID("fault").options].some((o) => o.value === q.get("fault"))) byID("fault").value = q.get("fault");
    showSize(Number(q.get("size")) || undefined);
    if (q.has("seed")) byID("seed").value = q.get("seed");
    if (q.has("beside") && optionFor(byID("beside"), q.get("beside")) !== "json") byID("beside").value = q.get("beside");
    if (q.has("policy")) {
      try { byID("policy").value = JSON.stringify(JSON.parse(q.get("policy")), null, 2); } catch { byID("policy").value = q.get("policy"); }
    }
    showPolicy();
  };
  addEventListener("hashchange", restore);

  // The simulator: loaded once, on the first run.

  let loaded;
  const load = () => loaded ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "simulator.js";
    script.onload = done;
    script.onerror = () => { loaded = undefined; failed(new Error("simulator.js could not be loaded.")); };
    document.head.append(script);
  }).then(async () => {
    const { wasm, worker } = self.evenkeelSimulator;
    self.evenkeelSimulator = undefined;
    const packed = new Blob([Uint8Array.from(atob(wasm), (c) => c.charCodeAt(0))]);
    const unpacked = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    return { wasm: unpacked, worker: URL.createObjectURL(new Blob([worker], { type: "text/javascript" })) };
  });

  // A run. Each side has a worker, which ends with it.

  let run; // the run under way, or the latest
  const start = async (s) => {
    stop();
    const mine = run = { settings: s, workers: [], waiting: [], seconds: { own: [], beside: [] }, figures: {}, shown: 0, over: false };
    say("Loading the simulator …");
    const { wasm, worker } = await load();
    if (run !== mine || mine.over) return;
    say("Running …");
    await Promise.all(sides.map((side) => new Promise((done, failed) => {
      const w = new Worker(worker);
      mine.workers.push(w);
      w.onerror = (e) => failed(new Error(e.message || "The worker could not start."));
      w.onmessage = ({ data }) => {
        if (data.error) return failed(new Error(data.error));
        if (data.answer === undefined) { mine.seconds[side].push(data); return; }
        const answer = JSON.parse(data.answer);
        if (answer.error) return failed(new Error(answer.error));
        mine.figures[side] = answer.figures;
        done();
      };
      mine.waiting.push(done);
      w.postMessage({ wasm, settings: JSON.stringify(s), side });
    })));
    if (!mine.over) end(mine);
  };
  const end = (r) => {
    r.over = true;
    for (const w of r.workers) w.terminate();
    for (const done of r.waiting) done();
    if (r !== run) return;
    byID("run").disabled = false;
    byID("stop").disabled = true;
  };
  const stop = () => {
    if (!run || run.over) return;
    end(run);
    say("Stopped.");
  };
  const say = (words) => { byID("status").textContent = words; };

  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    byID("problem").textContent = "";
    if (parsed() === null) {
      byID("problem").textContent = "The policy is no JSON object.";
      byID("policy").focus();
      return;
    }
    const s = settings();
    history.replaceState(null, "", link());
    byID("run").disabled = true;
    byID("stop").disabled = false;
    self.playgroundCharts.clear(s, before, after);
    if (byID("results").getBoundingClientRect().top > innerHeight) byID("results").scrollIntoView();
    try {
      const ended = start(s), mine = run;
      requestAnimationFrame((now) => draw(mine, now, now));
      await ended;
    } catch (problem) {
      end(run);
      say("");
      byID("problem").textContent = problem.message;
    }
  });
  byID("stop").addEventListener("click", stop);
  byID("copy").addEventListener("click", async () => say(await self.copyText(byID("policy").value) ? "Copied." : "Select the JSON and copy it."));
  byID("share").addEventListener("click", async () => {
    history.replaceState(null, "", link());
    say(await self.copyText(location.href) ? "The link is copied." : "The address of this page is the link.");
  });

  // The animation: about five seconds for a whole run, or as fast as it comes.

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const draw = (r, last, now) => {
    if (r !== run) return;
    const total = before + after + r.settings.lasts, ready = Math.min(...sides.map((side) => r.seconds[side].length));
    r.shown = Math.min(ready, r.shown + (still.matches ? ready : total / 5 * Math.min((now - last) / 1000, .1)));
    byID("progress").value = Math.min(1, ready / total);
    self.playgroundCharts.draw(r.seconds, Math.floor(r.shown));
    if (!r.over || Math.floor(r.shown) < ready) {
      requestAnimationFrame((next) => draw(r, now, next));
      return;
    }
    if (!sides.every((side) => r.figures[side])) return;
    byID("progress").value = 1;
    self.playgroundCharts.finish(r.figures);
    say("Done.");
    document.dispatchEvent(new CustomEvent("playground-done", { detail: r.figures }));
  };

  self.playgroundCharts.clear({ lasts: Number(byID("lasts-number").value) }, before, after);
  showPolicy();
  showSize();
  restore();
})();
