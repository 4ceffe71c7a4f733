// Drives the playground as a user does, and reports what it did.
(async () => {
  const byID = (id) => document.getElementById(id);
  const report = { Errors: [], Failed: "", Runs: {}, Shown: {}, Unnamed: [], Linked: {}, Found: [] };
  const until = async (holds) => { while (!holds()) await new Promise((done) => setTimeout(done, 20)); };
  const change = (id, value) => {
    byID(id).value = value;
    for (const kind of ["input", "change"]) byID(id).dispatchEvent(new Event(kind, { bubbles: true }));
  };
  try {
    // A first run with every fault, as the page starts.
    report.Lazy = self.evenkeelSimulator === undefined && !document.querySelector('script[src="simulator.js"]');
    for (const fault of FAULTS) {
      change("fault", fault);
      const done = new Promise((done) => document.addEventListener("playground-done", (e) => done(e.detail), { once: true }));
      byID("run").click();
      report.Runs[fault] = await Promise.race([done, until(() => byID("problem").textContent !== "").then(() => { throw new Error(byID("problem").textContent); })]);
      const shown = report.Shown[fault] = {};
      for (const cell of byID("figures").querySelectorAll("td")) shown[cell.id] = cell.dataset.value;
    }
    report.Lazy &&= document.querySelectorAll('script[src="simulator.js"]').length === 1;

    // The largest run: the page goes on meanwhile, and stops it.
    change("clients-number", "1000");
    change("rate-number", "5000");
    change("lasts-number", "60");
    byID("run").click();
    await until(() => byID("progress").value > 0);
    await new Promise((done) => setTimeout(done, 50));
    report.Idle = !byID("stop").disabled && byID("run").disabled;
    byID("stop").click();
    report.Stopped = byID("status").textContent;

    // A link.
    const q = new URLSearchParams({
      clients: 7, rate: 70, fault: "partial", size: .25, lasts: 3, seed: 9, beside: '"grpc"',
      policy: '{"max_attempts":5,"budget":{"adaptive":{"strict":true}},"attempt_timeout":"250ms","backoff":{"full_jitter":{"base":"20ms","cap":"1s"}}}',
    });
    location.hash = q;
    await until(() => byID("seed").value === "9");
    for (const id of ["clients", "clients-number", "rate-number", "fault", "lasts-number", "seed", "beside", "attempts", "budget", "timeout", "base", "cap", "hedge"]) {
      report.Linked[id] = byID(id).value;
    }
    report.Linked["size-value"] = byID("size-value").textContent;

    // A policy that is wrong.
    change("policy", '{"max_attemps": 3}');
    byID("run").click();
    await until(() => byID("problem").textContent !== "");
    report.Wrong = byID("problem").textContent;

    // Every control has a name.
    for (const e of document.querySelectorAll("input, select, textarea, button, progress, [role=img], [role=region]")) {
      const labelled = (e.getAttribute("aria-labelledby") || "").split(/\s+/).map((id) => byID(id)?.textContent ?? "").join(" ");
      const name = e.getAttribute("aria-label") || labelled.trim() || [...(e.labels ?? [])].map((l) => l.textContent).join(" ") ||
        (e.tagName === "BUTTON" ? e.textContent : "");
      if (name.trim() === "") report.Unnamed.push(e.outerHTML.slice(0, 80));
    }

    // The search.
    document.querySelector("button.seek").click();
    change("words", "retry.Do");
    await until(() => document.querySelector("#found a"));
    report.Found = [...document.querySelectorAll("#found a")].map((a) => a.href);
  } catch (e) {
    report.Failed = String(e.stack || e);
  }
  report.Errors = collected;
  fetch("REPORT", { method: "POST", mode: "no-cors", body: JSON.stringify(report) });
})();
