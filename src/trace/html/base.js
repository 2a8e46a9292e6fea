const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const textOf = (at) => (at === undefined || at === null ? "" : data.texts[at]);

// An element: everything that was recorded becomes text, never markup.
const el = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "click") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((it) => it !== null && it !== undefined && it !== ""));
  return made;
};
const NS = "http://www.w3.org/2000/svg";
const svg = (tag, attributes, ...children) => {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

const number = new Intl.NumberFormat("en");
const count = (n, one, more) => `${number.format(n)} ${n === 1 ? one : more || one + "s"}`;
const time = (us) => {
  if (us < 1000) return us === 0 ? "0 ms" : (us / 1000).toFixed(2) + " ms";
  if (us < 1e6) return (us / 1000).toFixed(us < 1e4 ? 1 : 0) + " ms";
  if (us < 6e7) return (us / 1e6).toFixed(us < 1e7 ? 2 : 1) + " s";
  return Math.floor(us / 6e7) + " min " + Math.round((us % 6e7) / 1e6) + " s";
};
// The same where there is little room.
const clock = (us) => {
  if (us < 6e7) return time(us);
  const seconds = String(Math.round((us % 6e7) / 1e6)).padStart(2, "0");
  return seconds === "60" ? `${Math.floor(us / 6e7) + 1}:00` : `${Math.floor(us / 6e7)}:${seconds}`;
};
const dollars = (usd) => {
  if (!usd) return "$0";
  return "$" + (usd < 0.01 ? usd.toFixed(6) : usd < 1 ? usd.toFixed(4) : usd.toFixed(2));
};
const cut = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
const lineOf = (text) => cut(text.slice(0, 400).replace(/\s+/g, " ").trim(), 160);

// What a node took with all that happened in its course.
const none = () => ({ calls: 0, cached: 0, read: 0, written: 0, usd: 0, unpriced: 0, untold: 0 });
const add = (sum, more) => {
  for (const key of Object.keys(sum)) sum[key] += more[key];
};
const took = (attempt) => {
  const sum = none();
  if (attempt.replayed) return sum;
  if (attempt.cached) sum.cached = 1;
  else if (!attempt.unsent) {
    sum.calls = 1;
    sum.read = attempt.read || 0;
    sum.written = attempt.written || 0;
    if (attempt.read === undefined || attempt.written === undefined) sum.untold = 1;
    if (attempt.usd === undefined) sum.unpriced = 1;
    else sum.usd = attempt.usd;
  }
  return sum;
};

for (const run of data.runs) {
  const { nodes } = run;
  run.roots = [];
  nodes.forEach((node, id) => {
    Object.assign(node, { id, children: [], from: [], to: [], sum: none() });
    for (const attempt of (node.call || {}).attempts || []) add(node.sum, took(attempt));
    const isFalse = node.kind === "assert" || node.kind === "suggest";
    node.failed = isFalse || node.error !== undefined;
    node.troubled = node.failed || ((node.call || {}).attempts || []).some((it) => it.error !== undefined);
    const parent = nodes[node.parent];
    node.depth = parent ? parent.depth + 1 : 0;
    (parent ? parent.children : run.roots).push(id);
  });
  for (let at = nodes.length - 1; at >= 0; at -= 1) {
    const parent = nodes[nodes[at].parent];
    if (parent) add(parent.sum, nodes[at].sum);
  }
  run.sum = none();
  for (const id of run.roots) add(run.sum, nodes[id].sum);
  for (const [from, to, output, input, via] of run.edges) {
    const edge = { from, to, output, input, via };
    nodes[from].to.push(edge);
    nodes[to].from.push(edge);
  }
  run.start = nodes.reduce((least, it) => Math.min(least, it.began), Infinity);
  run.end = nodes.reduce((most, it) => Math.max(most, it.began + it.took), 0);
  if (run.start === Infinity) run.start = 0;
}

const state = {
  run: 0, view: "tree", chosen: 0, closed: data.runs.map(() => new Set()),
  words: [], kind: "", failed: false, zoom: null, chips: true, changed: 0,
};
const run = () => data.runs[state.run];
const nodeOf = (id) => run().nodes[id];
const title = (node) => {
  const path = node.path && node.path !== node.name ? ` [${node.path}]` : "";
  return node.name + path;
};
const badge = (kind) => el("span", { class: `kind k-${kind}` }, kind);

// Which nodes are meant by the words and the filters; all where nothing is said.
const isFiltered = () => state.words.length > 0 || state.kind !== "" || state.failed;
const holds = (node, sets) => {
  const own = `${node.kind} ${node.name} ${node.path || ""} #${node.id}`.toLowerCase();
  const found = sets.map(([word]) => own.includes(word));
  const look = (at) => {
    if (typeof at === "number") sets.forEach(([, set], i) => { found[i] = found[i] || set[at] === 1; });
  };
  Object.values(node.in || {}).forEach(look);
  Object.values(node.out || {}).forEach(look);
  look(node.error);
  for (const attempt of (node.call || {}).attempts || []) {
    [attempt.reply, attempt.error, attempt.thought].forEach(look);
    (attempt.freely || []).forEach(([at]) => look(at));
    for (const [, pieces] of attempt.prompt || []) pieces.forEach(([at]) => look(at));
  }
  return found.every(Boolean);
};
const lower = [];
const meant = () => {
  if (!isFiltered()) return null;
  if (state.words.length && !lower.length) for (const text of data.texts) lower.push(text.toLowerCase());
  const sets = state.words.map((word) => [word, Uint8Array.from(lower, (text) => (text.includes(word) ? 1 : 0))]);
  const fits = (node) => (!state.kind || node.kind === state.kind)
    && (!state.failed || node.troubled) && (!sets.length || holds(node, sets));
  return new Set(run().nodes.filter(fits).map((node) => node.id));
};
