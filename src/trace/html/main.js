const VIEWS = [["tree", "Tree"], ["timeline", "Timeline"], ["graph", "Graph"], ["cost", "Cost"]];
if (data.diff) VIEWS.push(["diff", "Difference"]);
let rows = null;
let shown = [];

const sum = (run) => {
  const { calls, cached, read, written, usd, unpriced, untold } = run.sum;
  const failed = run.nodes.filter((it) => it.failed).length;
  const parts = [el("span", {}, el("b", {}, number.format(run.nodes.length)), run.nodes.length === 1 ? " node" : " nodes"),
    el("span", {}, el("b", {}, number.format(calls)), calls === 1 ? " request" : " requests", cached ? ` and ${number.format(cached)} from the store` : "")];
  if (read + written) parts.push(el("span", {}, el("b", {}, number.format(read)), " tokens in, ", el("b", {}, number.format(written)), " out", untold ? `, those of ${number.format(untold)} unknown` : ""));
  if (usd || unpriced) parts.push(el("span", {}, usd || !unpriced ? el("b", {}, dollars(usd)) : "", unpriced ? `${usd ? " and " : ""}${count(unpriced, "request")} of unknown cost` : ""));
  parts.push(el("span", {}, el("b", {}, time(Math.max(0, run.end - run.start)))));
  if (failed) parts.push(el("span", { class: "bad" }, `${number.format(failed)} failed`));
  if (run.began) parts.push(el("span", {}, new Date((run.began + run.start) / 1000).toLocaleString()));
  if (!run.content) parts.push(el("span", {}, "what was said was left out"));
  return parts.flatMap((it, at) => (at ? [" · ", it] : [it]));
};
const head = () => {
  $("title").textContent = data.runs.map((it) => it.name).join(" and ");
  $("facts").replaceChildren(...sum(run()));
  $("runs").replaceChildren(...(data.runs.length < 2 ? [] : data.runs.map((it, at) => el("button", {
    type: "button", "aria-pressed": String(at === state.run), title: it.name, click: () => other(at),
  }, it.name))));
  const kinds = [...new Set(run().nodes.map((it) => it.kind))];
  $("kind").replaceChildren(el("option", { value: "" }, "all kinds"), ...kinds.map((it) => el("option", { value: it }, it)));
  $("kind").value = state.kind;
};
const tabs = () => $("tabs").replaceChildren(...VIEWS.map(([name, label]) => el("button", {
  type: "button", role: "tab", id: "tab-" + name, "aria-selected": String(name === state.view), "aria-controls": "view",
  tabindex: name === state.view ? 0 : -1, click: () => { look(name); $("tab-" + name).focus(); },
}, label)));

const other = (at) => {
  if (data.diff && at !== state.run) {
    const pair = data.diff.pairs.find((it) => it[state.run] === state.chosen);
    state.chosen = pair ? pair[at] : 0;
  }
  state.run = at;
  state.zoom = null;
  if (!run().nodes.some((it) => it.kind === state.kind)) state.kind = "";
  head();
  draw();
  detail();
};
const look = (view) => {
  state.view = view;
  tabs();
  draw();
  note();
};
const focusView = () => {
  const at = document.querySelector(".rows, .graph, .sums");
  if (at) at.focus();
};

const list = (draw, items, at, label, extra) => {
  const box = el("div", {});
  const hadFocus = document.activeElement.matches(".rows");
  $("view").replaceChildren(...extra, box);
  rows = new Rows(box, "tree", label, draw);
  rows.show(items, at);
  if (hadFocus) box.focus();
};
const drawNodes = () => {
  const { items, found } = visible();
  shown = items;
  const isPart = isFiltered();
  $("count").textContent = isPart ? `${number.format(found)} of ${number.format(run().nodes.length)}` : "";
  if (!items.length) {
    rows = null;
    $("view").replaceChildren(el("p", { class: "empty" }, isPart ? "No node is so." : "The trace has no nodes."));
    return;
  }
  const at = items.findIndex((it) => it.id === state.chosen);
  if (state.view === "timeline") list(timelineRow, items, at, "nodes by time", [axis()]);
  else list(treeRow, items, at, "nodes", []);
  $("view").classList.toggle("timeline", state.view === "timeline");
};
const within = (times) => {
  const { start, end } = run();
  const isAll = !times || (times[0] <= start && times[1] >= end);
  state.zoom = isAll ? null : [Math.max(start, times[0]), Math.min(end, times[1])];
  drawNodes();
};
// So many times the time that is shown, around the chosen node.
const stretch = (by) => {
  const [start, end] = state.zoom || [run().start, run().end];
  const node = nodeOf(state.chosen);
  const middle = node.began + node.took / 2;
  const half = Math.max(10, ((end - start) * by) / 2);
  within([middle - half, middle + half]);
};
const axis = () => {
  const [start, end] = state.zoom || [run().start, run().end];
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const tick = el("span", {}, clock(Math.round(start - run().start + (end - start) * part)));
    tick.style.left = part * 100 + "%";
    return tick;
  });
  const node = nodeOf(state.chosen);
  const button = (label, name, click) => el("button", { type: "button", title: name, "aria-label": name, click }, label);
  const zoom = [button("−", "more time", () => stretch(2)), button("+", "less time", () => stretch(0.5)),
    button("node", "the time of the chosen node", () => within([node.began, node.began + Math.max(node.took, 10)])),
    state.zoom ? button("all", "the whole run", () => within(null)) : null];
  return el("div", { class: "axis" }, el("div", { class: "what" }, zoom), el("div", { class: "ticks", "aria-hidden": "true" }, ticks));
};

const table = (name, groups) => {
  const byUsd = groups.some((it) => it.usd > 0);
  const weight = (it) => (byUsd ? it.usd : it.read + it.written || it.calls);
  const largest = Math.max(1e-12, ...groups.map(weight));
  groups.sort((a, b) => weight(b) - weight(a));
  const cells = (it) => [it.calls, it.cached, it.read, it.written].map((n) => el("td", { class: "n" }, number.format(n)));
  const row = (it) => {
    const bar = el("span", { class: "part-bar" });
    bar.style.width = `${(weight(it) / largest) * 7}rem`;
    return el("tr", {}, el("td", {}, cut(it.name, 60)), cells(it), el("td", { class: "n" }, it.unpriced && !it.usd ? "unknown" : dollars(it.usd)), el("td", { class: "n" }, time(it.time)), el("td", {}, bar));
  };
  const all = { ...none(), time: 0 };
  groups.forEach((it) => Object.keys(all).forEach((key) => { all[key] += it[key]; }));
  const heads = [name, "requests", "from the store", "tokens in", "tokens out", "cost", "time", ""];
  return el("div", { class: "wide" }, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((it, at) => el("th", { class: at && at < 7 ? "n" : undefined, scope: "col" }, it)))),
    el("tbody", {}, groups.map(row)),
    el("tfoot", {}, el("tr", {}, el("td", {}, "all"), cells(all), el("td", { class: "n" }, all.unpriced && !all.usd ? "unknown" : dollars(all.usd)), el("td", { class: "n" }, time(all.time)), el("td", {})))));
};
const drawCost = () => {
  const by = (key) => {
    const groups = new Map();
    for (const node of run().nodes) {
      for (const attempt of (node.call || {}).attempts || []) {
        const name = key(node, attempt);
        if (!groups.has(name)) groups.set(name, { ...none(), time: 0 });
        add(groups.get(name), { ...took(attempt), time: attempt.took });
      }
    }
    return [...groups].map(([name, it]) => ({ ...it, name }));
  };
  const predictor = (node) => (node.path || node.name).replace(/\/.*$/, "");
  const model = (node, attempt) => attempt.model || node.call.model;
  const of = by(predictor);
  rows = null;
  $("count").textContent = "";
  $("view").replaceChildren(of.length ? el("div", { class: "sums", tabindex: 0 }, table("predictor", of), table("model", by(model)),
    table("predictor and model", by((node, attempt) => `${predictor(node)} · ${model(node, attempt)}`)))
    : el("p", { class: "empty" }, "No model was asked."));
};

const changes = () => {
  const { changed, only } = data.diff;
  const all = [
    ...changed.map((it) => ({ sign: "≠", what: "differs", ids: [it.a, it.b], at: it.a, parts: it.fields.map((field) => field.name).join(", ") })),
    ...only[0].map((id) => ({ sign: "−", what: "only in the first", ids: [id, null], at: id, parts: "" })),
    ...only[1].map((id) => ({ sign: "+", what: "only in the second", ids: [null, id], at: id, parts: "" })),
  ];
  return all.sort((a, b) => a.at - b.at);
};
const changeRow = (it, at) => {
  const side = it.ids[0] === null ? 1 : 0;
  const node = data.runs[side].nodes[it.ids[side]];
  return el("div", { class: "row", role: "treeitem", "aria-level": 1, "aria-label": `${it.what}: ${node.kind} ${title(node)} ${it.parts}`, click: () => chooseChange(at, true) },
    el("span", { class: it.sign === "≠" ? "num" : it.sign === "+" ? "num plus" : "num minus", title: it.what }, it.sign), badge(node.kind),
    el("span", { class: "what" }, `#${it.ids[side]} ${title(node)}`, el("small", {}, it.parts || it.what)));
};
const chooseChange = (at, read) => {
  const it = shown[at];
  if (!it) return;
  const side = it.ids[state.run] === null ? 1 - state.run : state.run;
  state.changed = at;
  if (side !== state.run) {
    state.run = side;
    head();
  }
  state.chosen = it.ids[side];
  rows.choose(at);
  detail();
  note();
  if (read) enter();
};
const drawDiff = () => {
  shown = changes();
  const { same, only, changed, reordered } = data.diff;
  const parts = [`${count(same, "node")} the same`, `${number.format(changed.length)} differ`, `${number.format(only[0].length)} only in the first`, `${number.format(only[1].length)} only in the second`];
  $("count").textContent = "";
  const tools = el("div", { class: "tools" }, parts.join(" · ") + (reordered ? " · in another order" : ""));
  if (!shown.length) {
    rows = null;
    $("view").replaceChildren(tools, el("p", { class: "empty" }, "Nothing differs but times and what came from the store."));
    return;
  }
  state.changed = Math.min(state.changed, shown.length - 1);
  list(changeRow, shown, state.changed, "what differs", [tools]);
  chooseChange(state.changed, false);
};

const draw = () => {
  $("view").classList.remove("timeline");
  document.querySelector("main").classList.toggle("whole", state.view === "cost");
  document.querySelector(".filters").style.visibility = state.view === "tree" || state.view === "timeline" ? "" : "hidden";
  ({ tree: drawNodes, timeline: drawNodes, graph: () => drawGraph(false), cost: drawCost, diff: drawDiff })[state.view]();
};

const toggle = (id) => {
  const closed = state.closed[state.run];
  if (closed.has(id)) closed.delete(id);
  else closed.add(id);
  drawNodes();
};
const enter = () => document.querySelector("main").classList.add("reading");
const leave = () => {
  document.querySelector("main").classList.remove("reading");
  focusView();
};
// Chooses a node; what it stands in is opened, so that it is seen.
const choose = (id, read) => {
  state.chosen = id;
  const closed = state.closed[state.run];
  let opened = false;
  for (let at = nodeOf(id).parent; at !== undefined; at = nodeOf(at).parent) opened = closed.delete(at) || opened;
  if (state.view === "graph") drawGraph(graph.drawn.has(id));
  else if (state.view === "tree" || state.view === "timeline") {
    const at = opened ? -1 : shown.findIndex((it) => it.id === id);
    if (rows && at >= 0) rows.choose(at);
    else drawNodes();
  } else if (state.view === "diff") {
    const at = shown.findIndex((it) => it.ids[state.run] === id);
    if (at >= 0) rows.choose(at);
  }
  detail();
  note();
  if (read) enter();
};

const step = (by) => {
  if (state.view === "diff") return chooseChange(Math.min(shown.length - 1, Math.max(0, state.changed + by)), false);
  if (!rows) return undefined;
  const at = Math.min(shown.length - 1, Math.max(0, rows.at + by));
  return choose(shown[at].id, false);
};
const next = (test, by) => {
  const { nodes } = run();
  for (let at = state.chosen + by; at >= 0 && at < nodes.length; at += by) if (test(nodes[at])) return choose(at, false);
  return undefined;
};
const sideways = (by) => {
  const node = nodeOf(state.chosen);
  const closed = state.closed[state.run];
  if (by > 0 && closed.has(node.id)) toggle(node.id);
  else if (by > 0 && node.children.length) choose(node.children[0], false);
  else if (by < 0 && node.children.length && !closed.has(node.id) && !isFiltered()) toggle(node.id);
  else if (by < 0 && node.parent !== undefined) choose(node.parent, false);
};
// In the graph arrows follow values: back to where they came from, on to where they went.
const along = (by) => {
  const node = nodeOf(state.chosen);
  const beside = node.parent === undefined ? run().roots : nodeOf(node.parent).children;
  const at = beside.indexOf(node.id);
  const to = { left: (node.from[0] || {}).from, right: (node.to[0] || {}).to, up: beside[at - 1] ?? node.parent, down: node.children[0] ?? beside[at + 1] }[by];
  if (to !== undefined) choose(to, false);
};
const page = () => Math.max(1, Math.floor((rows ? rows.box.clientHeight : HEIGHT) / HEIGHT) - 1);
const inList = {
  ArrowDown: () => step(1), ArrowUp: () => step(-1), PageDown: () => step(page()), PageUp: () => step(-page()),
  Home: () => step(-Infinity), End: () => step(Infinity), ArrowLeft: () => sideways(-1), ArrowRight: () => sideways(1),
};
const inGraph = { ArrowLeft: () => along("left"), ArrowRight: () => along("right"), ArrowUp: () => along("up"), ArrowDown: () => along("down") };
const larger = (inGraph, inTime) => {
  if (state.view === "graph") scale(graph.scale * inGraph);
  else if (state.view === "timeline") stretch(inTime);
};
const anywhere = {
  "/": () => $("find").focus(), n: () => next((it) => it.call, 1), p: () => next((it) => it.call, -1), e: () => next((it) => it.failed, 1),
  "?": () => $("help").showModal(), "+": () => larger(1.25, 0.5), "-": () => larger(0.8, 2),
  0: () => (state.view === "graph" ? fit() : state.view === "timeline" && within(null)),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const { target, key } = event;
  if (key === "Escape") {
    if (target === $("find") && $("find").value) return;
    leave();
    return;
  }
  if (target.matches("input, select, textarea")) return;
  const tab = target.matches("[role=tab]");
  const onList = target.matches(".rows, body") || target === $("view");
  let act = anywhere[key];
  if (tab && (key === "ArrowLeft" || key === "ArrowRight")) {
    const at = VIEWS.findIndex(([name]) => name === state.view) + (key === "ArrowRight" ? 1 : -1);
    const [name] = VIEWS[(at + VIEWS.length) % VIEWS.length];
    act = () => { look(name); $("tab-" + name).focus(); };
  } else if (/^[1-5]$/.test(key) && VIEWS[key - 1]) act = () => { look(VIEWS[key - 1][0]); focusView(); };
  else if (onList && rows && inList[key]) act = inList[key];
  else if (target.matches(".graph") && inGraph[key]) act = inGraph[key];
  else if (onList && key === "Enter") act = () => { enter(); $("detail").focus(); };
  if (!act) return;
  event.preventDefault();
  act();
});

let waiting = 0;
$("find").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    state.words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    draw();
  }, 120);
});
$("kind").addEventListener("change", () => { state.kind = $("kind").value; draw(); });
$("failed").addEventListener("change", () => { state.failed = $("failed").checked; draw(); });
$("keys").addEventListener("click", () => $("help").showModal());

const THEMES = ["as the system", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");
let theme = 0;
const paint = () => {
  const isDark = theme === 2 || (theme === 0 && system.matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  $("theme").setAttribute("aria-label", "colours: " + THEMES[theme]);
  $("theme").title = "colours: " + THEMES[theme];
};
$("theme").addEventListener("click", () => { theme = (theme + 1) % THEMES.length; paint(); note(); });
system.addEventListener("change", paint);

// What is looked at stands behind the `#` of the address, so that it can be kept and sent.
const note = () => {
  const said = new URLSearchParams();
  said.set("view", state.view);
  said.set("node", state.chosen);
  if (state.run) said.set("run", state.run);
  if (state.words.length) said.set("find", state.words.join(" "));
  if (theme) said.set("theme", THEMES[theme]);
  try {
    history.replaceState(null, "", "#" + said);
  } catch {
    // Where the address may not be changed it is not.
  }
};
const recall = () => {
  const said = new URLSearchParams(location.hash.slice(1));
  theme = Math.max(0, THEMES.indexOf(said.get("theme")));
  if (data.diff) state.view = "diff";
  if (VIEWS.some(([name]) => name === said.get("view"))) state.view = said.get("view");
  if (data.runs[said.get("run")]) state.run = Number(said.get("run"));
  const id = Number(said.get("node"));
  if (run().nodes[id]) state.chosen = id;
  if (data.diff) state.changed = Math.max(0, changes().findIndex((it) => it.ids[state.run] === state.chosen));
  $("find").value = said.get("find") || "";
  state.words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
};

recall();
paint();
head();
tabs();
draw();
detail();
