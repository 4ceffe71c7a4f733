
// The worker of the playground, behind Go's own support for WebAssembly. It is sent the program
// once and one run after it, and answers with a message for each second of the run and one for its
// end. The page stops a run by ending the worker.
self.onmessage = async ({ data }) => {
  try {
    const go = new Go();
    const { instance } = await WebAssembly.instantiate(data.wasm, go.importObject);
    go.run(instance).catch((e) => self.postMessage({ error: String(e) }));
    const seen = (second, calls, sent, good, bad) => self.postMessage({ second, calls, sent, good, bad });
    const answer = self.evenkeelRun(data.settings, data.side, seen);
    self.postMessage({ answer });
  } catch (e) {
    self.postMessage({ error: String(e) });
  }
};
