// One node whole: what went in, where that came from, what was sent, what came back.
const values = (record) => el("dl", { class: "values" }, Object.entries(record || {}).flatMap(([name, at]) => [
  el("dt", {}, name || "(whole)"), el("dd", { dir: "auto" }, textOf(at)),
]));
const section = (name, ...content) => [el("h3", {}, name), ...content];

const links = (edges, other, arrow) => el("ul", { class: "links" }, edges.map((edge) => {
  const node = nodeOf(edge[other]);
  const [mine, theirs] = other === "from" ? [edge.input, edge.output] : [edge.output, edge.input];
  const how = { identity: "the very value", static: "computed from it", text: "the same text" }[edge.via] || edge.via;
  return el("li", {}, `${mine || "whole"} ${arrow} `,
    el("button", { type: "button", click: () => choose(node.id, true) }, `#${node.id} ${title(node)}`),
    theirs ? `.${theirs} ` : " ", el("small", {}, how));
}));
const link = (id) => el("button", { type: "button", click: () => choose(id, true) }, `#${id} ${title(nodeOf(id))}`);

const NAMES = {
  instruction: "instructions", fields: "fields", field: "fields", demo: "demos", input: "inputs", closing: "closing line",
  history: "turns before", repair: "reason", refused: "refused reply", template: "template", media: "media",
};
// A demo is one colour whole; demos beside each other are of two.
const colour = (kind, label) => {
  const odd = kind === "demo" && (parseInt((/\d+/.exec(label) || ["0"])[0], 10) % 2 === 0);
  return `piece o-${kind}${odd ? " odd" : ""}`;
};
const group = (kind, label) => {
  if (kind === "field") return "fields";
  return kind === "demo" || kind === "history" ? label.replace(/,.*?(?=:|$)/, "") : label;
};

const message = ([role, pieces]) => {
  const pre = el("pre", { dir: "auto" });
  let before = null;
  let length = 0;
  for (const [at, labelAt] of pieces) {
    const text = textOf(at);
    length += text.length;
    if (labelAt === null) {
      before = null;
      pre.append(text);
      continue;
    }
    const [kind, label] = data.labels[labelAt];
    const now = group(kind, label);
    if (kind === "layout") pre.append(text);
    else {
      const piece = el("span", { class: colour(kind, label), title: label });
      if (now !== before && kind !== "media") piece.append(el("span", { class: "chip", "aria-label": `from ${now}: ` }, now));
      piece.append(text);
      pre.append(piece);
    }
    before = now;
  }
  return el("details", { class: "message", open: true }, el("summary", {}, `${role} · ${count(length, "character")}`), pre);
};

const legend = (prompt) => {
  const kinds = new Set();
  for (const [, pieces] of prompt) for (const [, at] of pieces) if (at !== null) kinds.add(data.labels[at][0]);
  const shown = [...kinds].filter((it) => NAMES[it]).map((it) => (it === "field" ? "fields" : it));
  if (!shown.length) return null;
  const box = el("input", { type: "checkbox" });
  box.checked = state.chips;
  box.addEventListener("change", () => {
    state.chips = box.checked;
    $("detail").classList.toggle("no-chips", !state.chips);
  });
  return el("span", { class: "legend" }, [...new Set(shown)].map((it) => el("span", { class: colour(it, "1") }, NAMES[it])),
    el("label", { class: "check" }, box, "origins"));
};

const facts = (attempt) => {
  const parts = [];
  if (attempt.replayed) return "as in the attempt before";
  parts.push(attempt.cached ? "from the store" : attempt.unsent ? "not sent" : "sent");
  if (attempt.read !== undefined) parts.push(`${number.format(attempt.read)} tokens in` + (attempt.kept ? ` (${number.format(attempt.kept)} cached)` : ""));
  if (attempt.written !== undefined) parts.push(`${number.format(attempt.written)} out` + (attempt.thoughts ? ` (${number.format(attempt.thoughts)} thoughts)` : ""));
  if (!attempt.cached && !attempt.unsent && attempt.read === undefined) parts.push("tokens unknown");
  if (attempt.usd) parts.push(dollars(attempt.usd));
  parts.push(time(attempt.took));
  if (attempt.finish && attempt.finish !== "stop") parts.push(`ended by ${attempt.finish}`);
  return parts.join(" · ");
};

// The reply, with what was read freely in it marked by the numbers of the list below it. What
// stands in several is marked by all of them.
const replyOf = (attempt) => {
  const text = textOf(attempt.reply);
  const pre = el("pre", { class: "alone", dir: "auto" });
  const marks = (attempt.freely || []).map(([at, kind, start, end], nth) => ({ nth, note: textOf(at), kind, start, end }))
    .filter((it) => it.start !== undefined && it.end > it.start);
  if (!marks.length) {
    pre.append(text || "(empty)");
    return pre;
  }
  const cuts = [...new Set([0, text.length, ...marks.flatMap((it) => [it.start, it.end])])].sort((a, b) => a - b);
  for (let i = 0; i + 1 < cuts.length; i += 1) {
    const [from, to] = [cuts[i], cuts[i + 1]];
    const over = marks.filter((it) => it.start <= from && it.end >= to);
    const piece = text.slice(from, to);
    if (!over.length) {
      pre.append(piece);
      continue;
    }
    const begun = over.filter((it) => it.start === from);
    const names = begun.map((it) => `${it.nth + 1} ${it.kind}`).join(", ");
    const mark = el("mark", { class: over.length > 1 ? "free more" : "free", title: over.map((it) => `${it.nth + 1}. ${it.kind}: ${it.note}`).join("\n") });
    if (begun.length) mark.append(el("span", { class: "tally", "aria-label": `read freely, ${names}: ` }, names));
    mark.append(piece);
    pre.append(mark);
  }
  return pre;
};

const attemptOf = (attempt, at, all, call) => {
  const first = all[0];
  const what = attempt.extracts ? "what the reply states" : at === 0 ? "request"
    : all[at - 1].reply === undefined ? "another model, instead" : "asked again, for the reply could not be read";
  const out = el("section", { class: "attempt" });
  out.append(el("h3", {}, `${all.length > 1 ? `${at + 1}. ` : ""}${what}: ${attempt.model || call.model}`, el("span", { class: "legend" }, facts(attempt))));
  if (attempt.error !== undefined) out.append(el("div", { class: "problem", dir: "auto" }, textOf(attempt.error)));
  const prompt = attempt.prompt || [];
  out.append(el("h3", {}, "prompt", legend(prompt)));
  const same = (it, i) => at > 0 && JSON.stringify(it) === JSON.stringify((first.prompt || [])[i]);
  let repeated = 0;
  while (repeated < prompt.length && same(prompt[repeated], repeated)) repeated += 1;
  if (repeated) {
    const fold = el("button", { type: "button", class: "fold", click: () => fold.replaceWith(...prompt.slice(0, repeated).map(message)) },
      `${count(repeated, "message")} as in the first request`);
    out.append(el("p", { class: "sub" }, fold));
  }
  out.append(...prompt.slice(repeated).map(message));
  if (attempt.settings !== undefined) {
    out.append(el("details", { class: "message" }, el("summary", {}, `settings · ${call.adapter} adapter · key ${attempt.key}`), el("pre", {}, textOf(attempt.settings))));
  }
  if (attempt.reply !== undefined) {
    out.append(el("h3", {}, "reply"));
    if (attempt.thought !== undefined) out.append(el("details", { class: "message" }, el("summary", {}, "thoughts"), el("pre", { dir: "auto" }, textOf(attempt.thought))));
    out.append(replyOf(attempt));
    for (const at of attempt.calls || []) out.append(el("pre", { class: "alone" }, textOf(at)));
  }
  if (attempt.freely) {
    out.append(el("h3", {}, `read freely: ${count(attempt.freely.length, "liberty", "liberties")}`),
      el("ol", { class: "freely" }, attempt.freely.map(([at, kind]) => el("li", { dir: "auto" }, kind ? el("b", {}, kind) : null, " " + textOf(at)))));
  }
  return out;
};

const piecesOf = (pieces) => {
  const pre = el("pre", { class: "alone", dir: "auto" });
  pieces.forEach(([sign, at], i) => {
    const text = textOf(at);
    if (sign < 0) pre.append(el("del", { class: "minus" }, text));
    else if (sign > 0) pre.append(el("ins", { class: "plus" }, text));
    else if (text.length < 400) pre.append(text);
    else {
      const head = i === 0 ? "" : text.slice(0, 120);
      const tail = i === pieces.length - 1 ? "" : text.slice(-120);
      const middle = text.slice(head.length, text.length - tail.length);
      const fold = el("button", { type: "button", class: "fold", click: () => fold.replaceWith(middle) }, `… ${count(middle.length, "character")} the same …`);
      pre.append(head, fold, tail);
    }
  });
  return pre;
};
const differs = (node) => {
  if (!data.diff) return [];
  const side = state.run === 0 ? "a" : "b";
  const changed = data.diff.changed.find((it) => it[side] === node.id);
  if (changed) return [el("section", { class: "attempt" }, el("h3", {}, `differs in ${count(changed.fields.length, "part")}`),
    changed.fields.flatMap((it) => [el("h3", {}, it.name), piecesOf(it.pieces)]))];
  if (data.diff.only[state.run].includes(node.id)) return [el("p", { class: "problem" }, "The other run has no such node.")];
  return [el("p", { class: "sub" }, "It is the same in the other run.")];
};

const detail = () => {
  const box = $("detail");
  const node = nodeOf(state.chosen);
  if (!node) {
    box.replaceChildren(el("p", { class: "empty" }, "The trace has no nodes."));
    return;
  }
  const call = node.call || { attempts: [] };
  const place = [`#${node.id}`, node.path || null, node.example === undefined ? null : `example ${node.example}`,
    `call ${node.ordinal + 1}`, `after ${time(node.began - run().start)}`, `took ${time(node.took)}`].filter(Boolean);
  const { sum } = node;
  if (node.children.length && sum.calls + sum.cached) {
    place.push(count(sum.calls, "request"));
    if (sum.read + sum.written) place.push(`${number.format(sum.read + sum.written)} tokens`);
    if (sum.usd) place.push(dollars(sum.usd));
  }
  const out = [
    el("button", { id: "back", type: "button", click: leave }, "← back"),
    el("h2", {}, badge(node.kind), title(node)),
    el("p", { class: "sub" }, place.join(" · ")),
  ];
  if (node.retry !== undefined) out.push(el("p", { class: "sub links" }, node.replayed ? "taken from " : "again, after ", link(node.retry)));
  if (node.abandoned) out.push(el("p", { class: "sub" }, "It was sent back: what came of it is not part of the result."));
  if (node.judge) out.push(el("p", { class: "sub" }, "What it says flows only into conditions."));
  if (node.error !== undefined) out.push(el("div", { class: "problem", dir: "auto" }, textOf(node.error)));
  out.push(...differs(node));
  if (Object.keys(node.in || {}).length) out.push(...section("inputs", values(node.in)));
  if (node.from.length) out.push(...section("where they come from", links(node.from, "from", "←")));
  if (Object.keys(node.out || {}).length) out.push(...section("outputs", values(node.out)));
  if (node.to.length) out.push(...section("where they went", links(node.to, "to", "→")));
  if (node.parent !== undefined) out.push(...section("in the course of", el("p", { class: "sub links" }, link(node.parent))));
  call.attempts.forEach((attempt, at) => out.push(attemptOf(attempt, at, call.attempts, call)));
  box.replaceChildren(...out.flat());
  box.scrollTop = 0;
  box.classList.toggle("no-chips", !state.chips);
};
