// Runs in each frame before the page's own scripts. No WebRTC: it goes past every proxy. No shared workers: their
// requests are not seen, and pages that miss them do without. Noted are: what a script feeds its player with, and which
// answers that came from; what it makes addresses of; its closed shadow trees. What is watched still looks as before.
(() => {
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "SharedWorker"])
    Object.defineProperty(window, name, {value: undefined});

  const NOTES_MAX = 64, TEXT_MAX = 1 << 20, PIECES_MAX = 5000, ORIGINS_MAX = 8;
  const notes = {buffers: [], blobs: [], texts: [], roots: new WeakMap()};
  Object.defineProperty(window, Symbol.for("notes"), {value: notes});

  const {apply, construct, getPrototypeOf} = Reflect, fetchIt = window.fetch, textOf = Blob.prototype.text;
  const origins = new WeakMap(), known = new WeakMap(), sources = [];
  const watch = (made, note) => new Proxy(made, {
    apply: (target, self, given) => {
      const result = apply(target, self, given);
      try {
        note(result, self, given);
      } catch {}
      return result;
    },
  });
  const after = (owner, name, note) => {
    if (typeof owner?.[name] === "function") owner[name] = watch(owner[name], note);
  };
  const afterGetting = (owner, name, note) => {
    const told = Object.getOwnPropertyDescriptor(owner, name);
    if (told?.get) Object.defineProperty(owner, name, {...told, get: watch(told.get, note)});
  };
  const holder = one => one?.buffer ?? one;
  const came = (made, ...from) => {
    if (!made || typeof made !== "object") return;
    const all = new Set(origins.get(made)), before = all.size;
    const most = made instanceof Blob ? PIECES_MAX : ORIGINS_MAX;
    for (const each of from) for (const url of each || []) if (all.size < most) all.add(url);
    if (all.size > before) origins.set(made, [...all]);
  };
  const soon = (promise, note) => promise.then(note, () => {});
  const isManifest = text => /^[\s\ufeff]*#EXTM3U/.test(text) || /<(\w+:)?MPD\b/.test(text.slice(0, 4096));
  const keep = (list, one) => list.push(one) > NOTES_MAX && list.shift();

  // Which answers bytes came from
  after(Response.prototype, "arrayBuffer", (made, self) => soon(made, one => came(one, [self.url])));
  after(Response.prototype, "bytes", (made, self) => soon(made, one => came(one.buffer, [self.url])));
  after(Response.prototype, "blob", (made, self) => soon(made, one => came(one, [self.url])));
  afterGetting(Response.prototype, "body", (made, self) => came(made, [self.url]));
  after(ReadableStream.prototype, "getReader", (made, self) => came(made, origins.get(self)));
  after(window.ReadableStreamDefaultReader?.prototype, "read", (made, self) => {
    const from = origins.get(self);
    if (from) soon(made, one => came(holder(one.value), from));
  });
  afterGetting(XMLHttpRequest.prototype, "response", (made, self) => came(made, [self.responseURL]));
  after(Blob.prototype, "slice", (made, self) => came(made, origins.get(self)));
  after(Blob.prototype, "arrayBuffer", (made, self) => soon(made, one => came(one, origins.get(self))));
  after(ArrayBuffer.prototype, "slice", (made, self) => came(made, origins.get(self)));
  const arrays = getPrototypeOf(Uint8Array.prototype);
  after(arrays, "slice", (made, self) => came(made.buffer, origins.get(self.buffer)));
  after(arrays, "set", (_, self, [from]) => came(self.buffer, origins.get(holder(from))));
  window.Blob = new Proxy(Blob, {
    construct: (target, given, wanted) => {
      const made = construct(target, given, wanted);
      try {
        came(made, ...[...given[0] || []].map(part => origins.get(holder(part))));
      } catch {}
      return made;
    },
  });
  window.Blob.prototype.constructor = window.Blob;

  // What players are fed with
  const number = source => {
    if (!sources.includes(source) && sources.length < NOTES_MAX) sources.push(source);
    return sources.indexOf(source);
  };
  after(window.MediaSource?.prototype, "addSourceBuffer", (made, self, [type]) => {
    if (notes.buffers.length >= NOTES_MAX) return;
    const one = {type: String(type), bytes: 0, of: self, made, source: number(self), urls: new Set()};
    known.set(made, one), notes.buffers.push(one);
  });
  after(window.SourceBuffer?.prototype, "appendBuffer", (_, self, [data]) => {
    const one = known.get(self);
    if (!one) return;
    one.bytes += data?.byteLength || 0;
    for (const url of origins.get(holder(data)) || []) if (one.urls.size < PIECES_MAX) one.urls.add(url);
  });

  // What addresses are made of
  after(URL, "createObjectURL", (url, _, [what]) => {
    const blob = what instanceof Blob;
    const one = {url, urls: origins.get(what) || [], source: blob ? null : number(what), text: null};
    keep(notes.blobs, one);
    if (blob && what.size < TEXT_MAX && !/^(image|font|video|text\/(css|javascript))/i.test(what.type))
      soon(apply(textOf, what, []), text => isManifest(text) && (one.text = text));
  });
  const ofData = address => {
    const url = String(address?.url ?? address);
    if (/^data:/i.test(url) && url.length < 2 * TEXT_MAX)
      soon(fetchIt(url).then(answer => answer.text()), text => isManifest(text) && keep(notes.texts, {url: "", text}));
  };
  after(window, "fetch", (_, self, [what]) => ofData(what));
  after(XMLHttpRequest.prototype, "open", (_, self, [method, url]) => ofData(url));

  after(Element.prototype, "attachShadow", (made, self, [how]) => how?.mode === "closed" && notes.roots.set(self, made));
})();
