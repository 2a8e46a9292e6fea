// A list of which only the rows in sight are drawn. One row is chosen, and is always in sight.
const HEIGHT = 28;
class Rows {
  constructor(box, role, label, draw) {
    Object.assign(this, { box, draw, items: [], at: -1, drawn: new Map(), role });
    box.classList.add("rows");
    box.tabIndex = 0;
    box.setAttribute("role", role);
    box.setAttribute("aria-label", label);
    this.space = el("div", { class: "space", role: "presentation" });
    box.replaceChildren(this.space);
    box.addEventListener("scroll", () => this.fill(), { passive: true });
    new ResizeObserver(() => this.fill()).observe(box);
  }

  show(items, at) {
    this.items = items;
    this.at = at;
    this.space.style.height = items.length * HEIGHT + "px";
    this.clear();
    this.reveal();
    this.fill();
  }

  clear() {
    this.space.replaceChildren();
    this.drawn.clear();
  }

  choose(at) {
    const before = this.drawn.get(this.at);
    if (before) before.setAttribute("aria-selected", "false");
    this.at = at;
    this.reveal();
    this.fill();
    const row = this.drawn.get(at);
    if (row) row.setAttribute("aria-selected", "true");
    this.point();
  }

  reveal() {
    if (this.at < 0) return;
    const top = this.at * HEIGHT;
    const { box } = this;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
  }

  point() {
    const row = this.drawn.get(this.at);
    if (row) this.box.setAttribute("aria-activedescendant", row.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  fill() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / HEIGHT) - 8);
    const last = Math.min(this.items.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / HEIGHT) + 8);
    for (const [at, row] of this.drawn) {
      if (at < first || at >= last) {
        row.remove();
        this.drawn.delete(at);
      }
    }
    for (let at = first; at < last; at += 1) {
      if (this.drawn.has(at)) continue;
      const row = this.draw(this.items[at], at);
      row.id = "row-" + at;
      row.style.top = at * HEIGHT + "px";
      row.setAttribute("aria-selected", String(at === this.at));
      row.setAttribute("aria-setsize", String(this.items.length));
      row.setAttribute("aria-posinset", String(at + 1));
      this.drawn.set(at, row);
      this.space.append(row);
    }
    this.point();
  }
}

// The nodes that a tree shows: what is not closed, and of the filtered what they stand in.
const visible = () => {
  const { nodes, roots } = run();
  const closed = state.closed[state.run];
  const found = meant();
  let around = null;
  if (found) {
    around = new Set();
    for (const id of found) {
      let at = nodes[id].parent;
      while (at !== undefined && !around.has(at)) {
        around.add(at);
        at = nodes[at].parent;
      }
    }
  }
  const out = [];
  const todo = [...roots].reverse();
  while (todo.length) {
    const id = todo.pop();
    if (found && !found.has(id) && !around.has(id)) continue;
    out.push({ id, around: found !== null && !found.has(id) });
    if (found || !closed.has(id)) for (let i = nodes[id].children.length - 1; i >= 0; i -= 1) todo.push(nodes[id].children[i]);
  }
  return { items: out, found: found ? found.size : nodes.length };
};
const indent = (row, depth) => { row.style.paddingLeft = `${0.5 + Math.min(depth, 24) * 1.05}rem`; };

const treeRow = ({ id, around }) => {
  const node = nodeOf(id);
  const isClosed = state.closed[state.run].has(id) && !isFiltered();
  const row = el("div", {
    class: around || node.abandoned ? "row around" : "row", role: "treeitem", "aria-level": node.depth + 1,
    "aria-expanded": node.children.length ? String(!isClosed) : undefined,
    click: () => choose(id, true),
  });
  indent(row, node.depth);
  const twist = node.children.length
    ? el("span", { class: "twist", "aria-hidden": "true", click: (event) => { event.stopPropagation(); toggle(id); } }, isClosed ? "▸" : "▾")
    : el("span", { class: "twist", "aria-hidden": "true" });
  const first = Object.values(node.in || {})[0];
  const { sum } = node;
  const tokens = sum.read + sum.written;
  const about = [node.example === undefined ? "" : `example ${node.example}`, first === undefined ? "" : lineOf(textOf(first))];
  row.append(
    twist, badge(node.kind),
    el("span", { class: "what" }, title(node), el("small", {}, about.filter(Boolean).join(" · "))),
    ...marks(node),
    el("span", { class: "num" }, tokens ? number.format(tokens) + " tok" : ""),
    el("span", { class: "num" }, time(node.took)),
  );
  return row;
};
const marks = (node) => {
  const out = [];
  const attempts = ((node.call || {}).attempts || []);
  if (attempts.length > 1) out.push(el("span", { class: "num", title: "requests of the call" }, `×${attempts.length}`));
  if (attempts.length && attempts.every((it) => it.cached && !it.replayed)) out.push(el("span", { class: "num", title: "from the store" }, "kept"));
  if (node.replayed) out.push(el("span", { class: "num", title: "taken from the attempt before" }, "replayed"));
  else if (node.retry !== undefined) out.push(el("span", { class: "num", title: `again, after #${node.retry}` }, "retry"));
  if (node.abandoned) out.push(el("span", { class: "num", title: "what came of it is not part of the result" }, "sent back"));
  if (node.failed) out.push(el("span", { class: "mark", role: "img", "aria-label": "failed", title: "failed" }, "✕"));
  return out;
};

const timelineRow = ({ id, around }) => {
  const node = nodeOf(id);
  const [start, end] = state.zoom || [run().start, run().end];
  const span = Math.max(1, end - start);
  const at = (us) => ((us - start) / span) * 100;
  const left = Math.min(100, Math.max(0, at(node.began)));
  const right = Math.min(100, Math.max(0, at(node.began + node.took)));
  const bar = el("i", { class: `k-${node.kind}` });
  bar.style.left = left + "%";
  bar.style.width = Math.max(0, right - left) + "%";
  const label = el("span", {}, time(node.took));
  if (right > 80) label.style.right = `calc(${100 - left}% + 4px)`;
  else label.style.left = `calc(${right}% + 6px)`;
  const isOut = node.began > end || node.began + node.took < start;
  const name = el("div", { class: "what" }, badge(node.kind), ...marks(node).slice(-1), el("span", {}, title(node)));
  name.style.paddingLeft = `${Math.min(node.depth, 12) * 0.7}rem`;
  return el("div", {
    class: around || isOut ? "row around" : "row", role: "treeitem", "aria-level": node.depth + 1, click: () => choose(id, true),
    "aria-label": `${node.kind} ${title(node)}, begins after ${time(node.began - run().start)}, takes ${time(node.took)}`,
  }, name, el("div", { class: "track" }, isOut ? null : bar, isOut ? null : label));
};
