"use strict";
// How a token and a round are written. All text goes into the page as text, never as markup.
const tokenView = (() => {
  const VISIBLE = { " ": "·", "\n": "↵\n", "\t": "→\t" };

  function make(name, className, ...children) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  // A text is a string, or text and marks by turns. With `isVisible`, spaces and line breaks are shown as signs;
  // `inLine`: and nothing breaks.
  function spelled(text, isVisible, inLine = false) {
    const pieces = typeof text === "string" ? [text] : text;
    return pieces.flatMap((piece, index) => {
      if (index % 2) return [make("i", "", piece)];
      if (!isVisible) return piece ? [piece] : [];
      return piece.split(/([ \n\t])/).filter(Boolean).map((part) =>
        part in VISIBLE ? make("span", "w", inLine ? VISIBLE[part].trim() : VISIBLE[part], make("wbr")) : part);
    });
  }

  // The same as one line, for labels: in quotes, with signs for white space.
  function quoted(text) {
    const joined = typeof text === "string" ? text : text.join("");
    return `‘${joined.replace(/\n/g, "↵").replace(/\t/g, "→")}’`;
  }

  function number(value) {
    if (value === null || value === undefined) return "–";
    return Number(value.toPrecision(3)).toString();
  }

  // A probability before warping: it is never quite 0, and the data rounds it.
  const chance = (value) => (value === 0 ? "≈0" : value === 1 ? "≈1" : number(value));

  const logits = (value) => Number(value.toPrecision(3)).toString();

  // From the arrays of the data to names; probabilities are written as whole numbers of so many `parts`.
  function readRound([text, rest, numDrafted, accepted, p, q, entropy, overlap, ownP], parts) {
    const share = (value) => (typeof value === "number" ? value / parts : null);
    const kept = Math.min(accepted, text.length);
    const own = text.length > kept ? kept : -1;
    const ownKind = numDrafted === 0 ? "plain" : accepted === numDrafted ? "bonus" : "correction";
    const items = [];
    for (let i = 0; i < kept; i++) items.push({ text: text[i], kind: "a", depth: i + 1, slot: i });
    rest.forEach((piece, i) => {
      const slot = kept + i;
      const kind = slot < accepted ? "cut" : slot === accepted ? "rejected" : "unjudged";
      items.push({ text: piece, kind, depth: slot + 1, slot });
    });
    for (const item of items) Object.assign(item, { p: share(p[item.slot]), q: q ? share(q[item.slot]) : null, entropy: entropy[item.slot], overlap: share(overlap[item.slot]) });
    if (own >= 0) items.push({ text: text[own], kind: ownKind, depth: 0, p: share(ownP), q: null, entropy: entropy[accepted], overlap: null });
    return { items, numDrafted, accepted, isCut: own < 0, hasQ: q !== null };
  }

  const isInText = (item) => !["cut", "rejected", "unjudged"].includes(item.kind);
  const className = (item) => (item.kind === "a" ? `a d${Math.min(item.depth, 8)}` : item.kind);

  function origin(item) {
    return {
      a: `accepted at depth ${item.depth}`, correction: "correction", bonus: "bonus", plain: "plain step",
      rejected: `rejected at depth ${item.depth}`, unjudged: `not judged, at depth ${item.depth} after a rejection`,
      cut: `accepted at depth ${item.depth}, and cut off at the stop`,
    }[item.kind];
  }

  function label(item, texts) {
    const q = item.q === null ? "" : `, q ${chance(item.q)}`;
    return `${quoted(texts[item.text])}, ${origin(item)}, p ${chance(item.p)}${q}, entropy ${number(item.entropy)}`;
  }

  function sentence(round, index, total, texts) {
    const own = round.items.find((item) => isInText(item) && item.kind !== "a");
    const refused = round.items.find((item) => item.kind === "rejected");
    const parts = [round.numDrafted === 0 ? "no draft" : `${round.numDrafted} drafted`];
    if (round.numDrafted > 0) parts.push(`${round.accepted} accepted`);
    if (own && refused) parts.push(`corrected ${quoted(texts[refused.text])} to ${quoted(texts[own.text])}`);
    else if (own) parts.push(`${own.kind === "bonus" ? "bonus" : "plain step"} ${quoted(texts[own.text])}`);
    else parts.push("cut at the end of the text");
    return `round ${index + 1} of ${total}: ${parts.join(", ")}`;
  }

  function cell(value) {
    const made = make("td", "tv-bar", chance(value));
    if (typeof value === "number") made.style.setProperty("--tv-value", `${100 * Math.min(1, value)}%`);
    return made;
  }

  function row(item, texts, isNow) {
    const token = make(isInText(item) ? "span" : "del", className(item), ...spelled(texts[item.text], true, true));
    const word = make("th", "tv-word", make("span", "tv-text", token));
    word.scope = "row";
    return make("tr", isNow ? "now" : "", make("td", "", item.depth ? String(item.depth) : "own"), word, cell(item.p), cell(item.q), make("td", "", number(item.entropy)));
  }

  function inspect(panel, round, index, current, texts, note) {
    const names = ["depth", "token", "p", "q", "entropy"].map((name) => {
      const head = make("th", name === "token" ? "tv-word" : "", name);
      head.scope = "col";
      return head;
    });
    const rows = round.items.map((item) => row(item, texts, item === current));
    const table = make("table", "", make("thead", "", make("tr", "", ...names)), make("tbody", "", ...rows));
    const told = make("p", "", make("b", "", quoted(texts[current.text])), ` ${origin(current)}`);
    if (current.overlap !== null && round.hasQ) told.append(`; it could expect to be accepted with ${number(current.overlap)} (overlap of p and q after warping)`);
    const parts = [make("h3", "", `Round ${index + 1}`), table, told];
    if (note) parts.push(make("p", "", note));
    const noQ = round.hasQ || !round.numDrafted ? "" : " This drafter has no probabilities (q).";
    parts.push(make("p", "tv-note", `p: target, q: drafter, both before warping; entropy of the target in nats.${noQ}`));
    panel.replaceChildren(...parts);
  }

  return { make, spelled, quoted, logits, readRound, isInText, className, label, sentence, inspect };
})();
