// Looks at every page in a frame that is as wide as a phone, and in one as wide as a desk.
(async () => {
  const report = { Errors: [], Failed: "", Wider: [], Faint: [], Pages: 0 };
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).slice(0, 3).map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (color !== "transparent" && !/, 0\)$/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = (page, name) => {
    const seen = new Set();
    for (const e of page.querySelectorAll("a, p, li, td, th, code, pre span, button, label, h1, h2, h3, summary, figcaption, legend")) {
      if (!e.checkVisibility({ opacityProperty: true })) continue;
      const color = getComputedStyle(e).color, ground = behind(e), key = color + ground;
      if (seen.has(key) || e.disabled) continue;
      seen.add(key);
      const [low, high] = [luminance(color), luminance(ground)].sort((a, b) => a - b);
      if ((high + .05) / (low + .05) < 4.5) report.Faint.push(`${name}: ${color} on ${ground}: ${e.outerHTML.slice(0, 80)}`);
    }
  };
  try {
    for (const [width, theme] of [[390, "light"], [1280, "dark"]]) {
      const frame = document.createElement("iframe");
      frame.style = `border:0;width:${width}px;height:900px`;
      document.body.append(frame);
      localStorage.setItem("theme", theme);
      for (const name of PAGES) {
        await new Promise((done) => { frame.onload = done; frame.src = "/" + name; });
        const page = frame.contentDocument.documentElement;
        report.Pages++;
        report.Errors.push(...frame.contentWindow.collected.map((e) => `${name}: ${e}`));
        faint(page, `${name}, ${theme}`);
        if (page.scrollWidth <= page.clientWidth) continue;
        const wide = [...page.querySelectorAll("main *")].find((e) => e.getBoundingClientRect().right > width + 1 && !e.closest("pre, .scroll, .picture"));
        report.Wider.push(`${name} at ${width}: ${page.scrollWidth}, ${wide?.outerHTML.slice(0, 120)}`);
      }
      await new Promise((done) => { frame.onload = done; frame.src = "/docs/choosing-a-policy.html#does-it-recover"; });
      await new Promise((done) => setTimeout(done, 1000)); // the way there may be animated
      const place = frame.contentDocument.getElementById("does-it-recover").getBoundingClientRect();
      if (place.top < 40 || place.top > 450) report.Failed = `a link to a place shows it at ${place.top} of 900`;
      frame.remove();
    }
  } catch (e) {
    report.Failed = String(e.stack || e);
  }
  fetch("REPORT", { method: "POST", body: JSON.stringify(report) });
})();
