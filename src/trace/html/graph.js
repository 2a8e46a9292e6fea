// What flowed where: nodes from left to right, each in the box of what it is part of. Only what is
// near the chosen node is laid out, and only when it is looked at.
const MOST = 300;
const BOX = { width: 176, height: 44, gap: 26, pad: 12, head: 24, wide: 64 };

// The nodes to be drawn: those around the chosen one, by edges, children and what they stand in.
const near = () => {
  const { nodes, roots } = run();
  if (nodes.length <= MOST) return new Set(nodes.keys());
  const out = new Set();
  const put = (id) => {
    for (let at = id; at !== undefined && !out.has(at); at = nodes[at].parent) out.add(at);
  };
  const seen = new Set([state.chosen]);
  const todo = [state.chosen];
  while (todo.length && out.size < MOST) {
    const id = todo.shift();
    put(id);
    const node = nodes[id];
    const beside = node.parent === undefined ? roots : nodes[node.parent].children;
    const at = beside.indexOf(id);
    const next = [...node.from.map((it) => it.from), ...node.to.map((it) => it.to), ...node.children.slice(0, 60),
      node.parent, node.retry, beside[at - 1], beside[at + 1]];
    for (const it of next) {
      if (it !== undefined && !seen.has(it)) {
        seen.add(it);
        todo.push(it);
      }
    }
  }
  return out;
};

// Places of all that is drawn, and the size of the whole.
const layOut = (drawn) => {
  const { nodes, roots } = run();
  const places = new Map();
  const inside = (ids) => ids.filter((id) => drawn.has(id));
  const order = [...drawn].sort((a, b) => b - a);
  const kids = new Map();
  for (const id of order) kids.set(id, inside(nodes[id].children));
  const around = (id, parent) => {
    let at = id;
    while (at !== undefined && nodes[at].parent !== parent) at = nodes[at].parent;
    return at;
  };
  // Which of one box's nodes a value flows to from which other: those that were earlier.
  const flows = new Map();
  for (const edge of run().edges) {
    const [from, to] = edge;
    if (!drawn.has(from) || !drawn.has(to)) continue;
    let parent = nodes[to].parent;
    for (;;) {
      const a = around(from, parent);
      const b = around(to, parent);
      if (a !== undefined && b !== undefined) {
        if (a < b) flows.set(b, [...(flows.get(b) || []), a]);
        break;
      }
      if (parent === undefined) break;
      parent = nodes[parent].parent;
    }
  }
  const size = (ids) => {
    const layer = new Map();
    for (const id of ids) layer.set(id, Math.max(0, ...(flows.get(id) || []).filter((it) => layer.has(it)).map((it) => layer.get(it) + 1)));
    const columns = [];
    for (const id of ids) (columns[layer.get(id)] = columns[layer.get(id)] || []).push(id);
    let x = BOX.pad;
    let height = 0;
    for (const column of columns.filter(Boolean)) {
      // What nothing flows between stands in several columns rather than in a long one.
      const rows = Math.max(6, Math.ceil(Math.sqrt(column.length * 1.6)));
      for (let first = 0; first < column.length; first += rows) {
        let y = BOX.head + BOX.pad;
        let width = 0;
        for (const id of column.slice(first, first + rows)) {
          const place = places.get(id);
          Object.assign(place, { x, y });
          y += place.height + BOX.gap * 0.6;
          width = Math.max(width, place.width);
        }
        height = Math.max(height, y);
        x += width + (first + rows < column.length ? BOX.gap * 0.6 : BOX.wide);
      }
    }
    return { width: Math.max(BOX.width, x - BOX.wide + BOX.pad), height: Math.max(BOX.height, height - BOX.gap * 0.6 + BOX.pad) };
  };
  for (const id of order) {
    const own = kids.get(id).length ? size(kids.get(id)) : { width: BOX.width, height: BOX.height };
    places.set(id, { ...own, x: 0, y: 0 });
  }
  const whole = size(inside(roots));
  for (const id of [...order].reverse()) {
    const around = places.get(nodes[id].parent);
    const place = places.get(id);
    if (around) Object.assign(place, { x: place.x + around.x, y: place.y + around.y });
  }
  return { places, kids, whole };
};

const drawNode = (id, place, isGroup) => {
  const node = nodeOf(id);
  const classes = [`k-${node.kind}`, node.abandoned ? "abandoned" : "", node.failed ? "failed" : "", id === state.chosen ? "chosen" : ""].filter(Boolean).join(" ");
  const out = svg("g", { class: classes, "data-id": id, role: "button", tabindex: "-1", "aria-label": `${node.kind} ${title(node)}` });
  const { x, y, width, height } = place;
  if (isGroup) {
    out.append(svg("rect", { class: "group", x, y, width, height, rx: 8 }),
      svg("text", { class: "group-title", x: x + 10, y: y + 17 }, cut(`${node.kind} ${title(node)}`, Math.floor(width / 7))));
  } else {
    const round = { lm: 20, retrieval: 4, tool: 4, metric: 12 }[node.kind] || 6;
    const { sum } = node;
    const tokens = sum.read + sum.written;
    const parts = [node.kind, tokens ? number.format(tokens) + " tok" : null, time(node.took)].filter(Boolean);
    out.append(svg("rect", { class: "box", x, y, width, height, rx: round }),
      svg("text", { x: x + 12, y: y + 18 }, cut(title(node), 23)),
      svg("text", { class: "small", x: x + 12, y: y + 34 }, (node.failed ? "✕ " : "") + parts.join(" · ")));
  }
  out.append(svg("title", {}, `#${id} ${title(node)}`));
  out.addEventListener("click", (event) => { event.stopPropagation(); choose(id, true); });
  return out;
};

const drawEdge = (a, b, via, isNear, name) => {
  const [x1, y1, x2, y2] = [a.x + a.width, a.y + Math.min(a.height, BOX.height) / 2, b.x, b.y + Math.min(b.height, BOX.height) / 2];
  const bend = Math.max(24, Math.abs(x2 - x1) / 2);
  const d = x2 >= x1 ? `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`
    : `M${a.x + a.width / 2},${a.y + a.height} C${a.x + a.width / 2},${a.y + a.height + 40} ${b.x + b.width / 2},${b.y - 40} ${b.x + b.width / 2},${b.y}`;
  const path = svg("path", { class: `edge ${via}${isNear ? " near" : ""}`, d, "marker-end": "url(#arrow)" });
  const at = { class: "edge-name", x: (x1 + x2) / 2, y: Math.min(y1, y2) - BOX.height / 2 - 4, "text-anchor": "middle" };
  return [path, isNear && name ? svg("text", at, name) : null];
};

const graph = { scale: 1, whole: null, box: null };
// With `again` the same nodes are drawn, for another one of them was chosen.
const drawGraph = (again) => {
  const all = run().nodes.length;
  if (!all) {
    $("view").replaceChildren(el("p", { class: "empty" }, "The trace has no nodes."));
    return;
  }
  const before = again ? graph : null;
  const drawn = before ? before.drawn : near();
  const { places, kids, whole } = before ? before.laidOut : layOut(drawn);
  const at = before ? [before.box.scrollLeft, before.box.scrollTop] : null;
  const hadFocus = document.activeElement.matches(".graph, .graph *");
  const out = svg("svg", { viewBox: `0 0 ${whole.width} ${whole.height}`, role: "group", "aria-label": "graph" });
  const marker = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
    svg("path", { d: "M0,0 L8,4 L0,8 z", fill: "context-stroke" }));
  out.append(svg("defs", {}, marker));
  const ids = [...drawn].sort((a, b) => a - b);
  for (const id of ids) if (kids.get(id).length) out.append(drawNode(id, places.get(id), true));
  const named = new Map();
  const names = [];
  const put = ([path, name]) => {
    out.append(path);
    if (name) names.push(name);
  };
  for (const [from, to, output, input, via] of run().edges) {
    if (!drawn.has(from) || !drawn.has(to)) continue;
    const key = `${from} ${to} ${via}`;
    const name = !input || input === output ? output || "" : `${output || "reply"} → ${input}`;
    named.set(key, [from, to, via, [...((named.get(key) || [])[3] || []), name].filter(Boolean)]);
  }
  for (const [from, to, via, all] of named.values()) {
    const isNear = from === state.chosen || to === state.chosen;
    put(drawEdge(places.get(from), places.get(to), via, isNear, cut(all.join(", "), 28)));
  }
  for (const id of ids) {
    const { retry, replayed } = nodeOf(id);
    if (retry !== undefined && !replayed && drawn.has(retry)) put(drawEdge(places.get(retry), places.get(id), "retry", id === state.chosen, "retry"));
  }
  for (const id of ids) if (!kids.get(id).length) out.append(drawNode(id, places.get(id), false));
  out.append(...names);
  const box = el("div", { class: "graph", tabindex: 0, role: "application", "aria-label": "graph; arrows go from node to node" }, out);
  Object.assign(graph, { whole, box, drawn, laidOut: { places, kids, whole } });
  const button = (label, name, click) => el("button", { type: "button", "aria-label": name, title: name, click }, label);
  const told = drawn.size < all ? `${number.format(drawn.size)} of ${number.format(all)} nodes, those near #${state.chosen}` : count(all, "node");
  const tools = el("div", { class: "tools" }, button("−", "smaller", () => scale(graph.scale / 1.25)), button("+", "larger", () => scale(graph.scale * 1.25)),
    button("fit", "as wide as there is room", fit), el("span", {}, told + "; dotted: the same text was found"));
  $("view").replaceChildren(tools, box);
  if (before) scale(graph.scale);
  else fit();
  if (hadFocus) box.focus();
  const chosen = places.get(state.chosen);
  [box.scrollLeft, box.scrollTop] = at || [0, 0];
  if (!chosen) return;
  const [x, y] = [chosen.x * graph.scale, chosen.y * graph.scale];
  const [wide, high] = [Math.min(chosen.width, BOX.width) * graph.scale, Math.min(chosen.height, BOX.height) * graph.scale];
  if (x < box.scrollLeft || x + wide > box.scrollLeft + box.clientWidth) box.scrollLeft = x - box.clientWidth / 3;
  if (y < box.scrollTop || y + high > box.scrollTop + box.clientHeight) box.scrollTop = y - box.clientHeight / 3;
};
const scale = (by) => {
  graph.scale = Math.min(3, Math.max(0.15, by));
  const out = graph.box.querySelector("svg");
  out.setAttribute("width", graph.whole.width * graph.scale);
  out.setAttribute("height", graph.whole.height * graph.scale);
};
const fit = () => scale(Math.min(1, Math.max(0.65, (graph.box.clientWidth - 20) / graph.whole.width)));
