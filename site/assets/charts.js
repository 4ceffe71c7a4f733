"use strict";
// The charts and the table of the playground, as SVG and HTML that the style sheet colors.
self.playgroundCharts = (() => {
  const byID = (id) => document.getElementById(id);
  const sides = ["own", "beside"], width = 480, height = 200;
  const plot = { left: 44, right: width - 16, top: 10, bottom: height - 28 };
  const element = (name, attributes, text) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    if (text !== undefined) e.textContent = text;
    return e;
  };

  // What each chart shows of a second; null where there is nothing to divide by.
  const kinds = {
    load: { of: (s) => s.calls ? s.sent / s.calls : null, top: 4, ticks: (top) => [0, top / 4, top / 2, 3 * top / 4, top] },
    success: { of: (s) => s.good + s.bad ? 100 * s.good / (s.good + s.bad) : null, top: 100, ticks: () => [0, 25, 50, 75, 100] },
  };
  let seconds = 60, fault = [10, 20];
  const x = (t) => plot.left + (plot.right - plot.left) * t / seconds;
  const y = (v, top) => plot.bottom - (plot.bottom - plot.top) * Math.min(v, top) / top;

  const axes = (id, kind) => {
    const parts = [element("rect", { class: "fault", x: x(fault[0]), y: plot.top, width: x(fault[1]) - x(fault[0]), height: plot.bottom - plot.top })];
    for (const v of kind.ticks(kind.top)) {
      parts.push(element("line", { class: "grid", x1: plot.left, x2: plot.right, y1: y(v, kind.top), y2: y(v, kind.top) }));
      parts.push(element("text", { class: "end", x: plot.left - 6, y: y(v, kind.top) + 4 }, Number(v.toFixed(1))));
    }
    for (let t = 0; t <= seconds; t += seconds > 75 ? 20 : 10) {
      parts.push(element("text", { class: "middle", x: x(t), y: plot.bottom + 18 }, `${t} s`));
    }
    for (const side of [...sides].reverse()) parts.push(element("path", { class: `line ${side}`, d: "" }));
    byID(id).replaceChildren(...parts);
  };

  const path = (points, kind) => {
    let d = "", pen = false;
    points.forEach((s, i) => {
      const v = kind.of(s);
      if (v !== null) d += `${pen ? "L" : "M"}${x(i + .5).toFixed(1)} ${y(v, kind.top).toFixed(1)}`;
      pen = v !== null;
    });
    return d;
  };

  // Rows of the table: the figures of package playground. One that is null never came to be.
  const percent = (v) => `${(100 * v).toFixed(1)} %`, whole = (v) => v.toLocaleString("en"), two = (v) => v.toFixed(2);
  const rows = [
    ["fault_load", "Attempts per call, during the fault", two], ["worst", "Attempts per call, in the worst second", two],
    ["fault_success", "Calls that succeeded, during the fault", percent],
    ["recovery_s", "Goodput back, after the fault", (v) => v === null ? "not within the run" : `${v.toFixed(1)} s`],
    ["lost", "Calls lost", whole], ["calls", "Calls in total", whole], ["load", "Attempts per call, in total", two],
    ["success", "Calls that succeeded, in total", percent], ["p99_ms", "99 % of the successes within", (v) => `${v.toFixed(0)} ms`],
  ];

  const clear = (settings, before, after) => {
    const lasts = Number(settings.lasts) || 10;
    seconds = before + lasts + after;
    fault = [before, before + lasts];
    for (const [id, kind] of Object.entries(kinds)) {
      kind.top = id === "load" ? 4 : 100;
      axes(id, kind);
      byID(`${id}-words`).textContent = "Nothing has been run yet.";
    }
    byID("figures").tBodies[0].replaceChildren(...rows.map(([name, title]) => {
      const row = document.createElement("tr"), head = document.createElement("th");
      head.scope = "row";
      head.textContent = title;
      row.append(head, ...sides.map((side) => Object.assign(document.createElement("td"), { id: `${name}-${side}`, textContent: "–" })));
      return row;
    }));
  };

  const draw = (data, upTo) => {
    for (const [id, kind] of Object.entries(kinds)) {
      const shown = sides.map((side) => data[side].slice(0, Math.min(upTo, seconds)));
      const most = id === "load" ? Math.max(4, ...shown.flat().map((s) => kind.of(s) ?? 0)) : 100;
      if (most > kind.top) { kind.top = 4 * Math.ceil(most / 4); axes(id, kind); }
      sides.forEach((side, i) => byID(id).querySelector(`.${side}`).setAttribute("d", path(shown[i], kind)));
    }
  };

  const finish = (figures) => {
    for (const side of sides) {
      for (const [name, , show] of rows) {
        const cell = byID(`${name}-${side}`);
        cell.textContent = show(figures[side][name]);
        cell.dataset.value = JSON.stringify(figures[side][name]);
      }
    }
    const say = (name, show) => `Your policy: ${show(figures.own[name])}; with the other budget: ${show(figures.beside[name])}.`;
    byID("load-words").textContent = `During the fault, attempts per call. ${say("fault_load", two)} In the worst second. ${say("worst", two)}`;
    byID("success-words").textContent = `During the fault, calls that succeeded. ${say("fault_success", percent)} In total. ${say("success", percent)}`;
  };

  return { clear, draw, finish };
})();
