// Collects what would be an error in the console.
self.collected = [];
addEventListener("error", (e) => collected.push(e.message || `${e.target.tagName} ${e.target.src || e.target.href} did not load`), true);
addEventListener("unhandledrejection", (e) => collected.push(String(e.reason)));
{
  const error = console.error;
  console.error = (...words) => { collected.push(words.join(" ")); error(...words); };
}
