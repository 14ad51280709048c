// Steps through the rounds of one decode. Data: {parts, arms, prompts: [{name, category, before, left_out}],
// decodes: [{arm, prompt, compared, stop, rounds, departure?, error?}], texts}. Texts are named by their number.
(() => {
  const root = document.getElementById("token-view");
  if (!root) return;
  const { make, spelled, quoted, logits, readRound, isInText, className, label, sentence, inspect } = tokenView;
  const at = (name) => document.getElementById(`tv-${name}`);
  const data = JSON.parse(at("data").textContent);
  const texts = data.texts;
  const END = 240; // letters of a long prompt's end

  let decode = null;
  let rounds = [];
  let options = []; // { element, item, round }, in the order of the text
  let chosen = -1;

  function fillSelectors() {
    at("arm").replaceChildren(...data.arms.map((name, index) => new Option(name, index)));
    at("arm").closest("label").hidden = data.arms.length < 2;
    at("differ-label").hidden = !data.decodes.some((found) => found.compared);
  }

  function fillPrompts() {
    const arm = Number(at("arm").value);
    const ofArm = data.decodes.filter((found) => found.arm === arm);
    const differing = ofArm.filter((found) => found.departure);
    at("differ-label").querySelector("span").textContent = `only prompts that differ (${differing.length})`;
    at("differ").disabled = differing.length === 0;
    if (!differing.length) at("differ").checked = false;
    const before = at("prompt").value;
    const groups = new Map();
    for (const found of at("differ").checked ? differing : ofArm) {
      const { name, category } = data.prompts[found.prompt];
      if (!groups.has(category)) groups.set(category, make("optgroup", ""));
      const group = groups.get(category);
      group.label = category || "prompts";
      group.append(new Option(`${found.departure ? "≠ " : ""}${found.error ? "failed: " : ""}${name}`, found.prompt));
    }
    at("prompt").replaceChildren(...groups.values());
    if ([...at("prompt").options].some((option) => option.value === before)) at("prompt").value = before;
  }

  function open() {
    const [arm, prompt] = [Number(at("arm").value), Number(at("prompt").value)];
    decode = data.decodes.find((found) => found.arm === arm && found.prompt === prompt);
    rounds = decode.rounds.map((round) => readRound(round, data.parts));
    chosen = -1;
    showFacts();
    showStrip();
    showPrompt(false);
    showDeparture();
    showText();
    choose(firstOf(0), false);
  }

  function showFacts() {
    if (decode.error) { at("facts").textContent = `This decode failed: ${decode.error}`; return; }
    const numTokens = decode.rounds.reduce((sum, round) => sum + round[0].length, 0);
    const [drafted, accepted] = [2, 3].map((column) => decode.rounds.reduce((sum, round) => sum + round[column], 0));
    const parts = [`${numTokens} tokens in ${rounds.length} rounds`, `${accepted} of ${drafted} drafted tokens accepted`];
    if (rounds.length) parts.push(`${((accepted + rounds.length) / rounds.length).toFixed(2)} tokens per target pass`);
    if (decode.compared) parts.push(decode.departure ? `leaves the baseline at token ${decode.departure.at + 1}` : "the same text as the baseline’s");
    at("facts").textContent = parts.join(" · ");
  }

  function showStrip() {
    const most = Math.max(1, ...rounds.map((round) => round.items.length));
    at("strip").style.setProperty("--tv-cell", `${Math.max(1, Math.min(9, Math.floor(48 / most) - 1))}px`);
    at("strip").replaceChildren(...rounds.map((round, index) => {
      const inText = round.items.filter(isInText);
      const rest = round.items.filter((item) => !isInText(item));
      const column = make("span", "", ...inText.map((item) => make("b", item.kind)), ...rest.map(() => make("b", "rest")));
      column.dataset.round = index;
      return column;
    }));
  }

  function showPrompt(isWhole) {
    const prompt = data.prompts[decode.prompt];
    const pieces = prompt.before.map((index) => texts[index]);
    let from = pieces.length;
    for (let letters = 0; from > 0 && (isWhole || letters < END); from--) letters += pieces[from - 1].length;
    const numHidden = from + prompt.left_out;
    at("before").replaceChildren(numHidden ? "… " : "", ...pieces.slice(from).flatMap((piece) => spelled(piece, at("spaces").checked)));
    at("more").hidden = !isWhole && from === 0;
    at("more").setAttribute("aria-expanded", String(isWhole));
    at("more").textContent = isWhole ? "only the end of the prompt" : `show ${from} more tokens of the prompt`;
  }

  function flag() {
    const { kind, margin } = decode.departure;
    const made = make("span", "tv-flag", `≠ ${kind || "differs"}${margin === undefined ? "" : `, margin ${logits(margin)}`}`);
    made.setAttribute("aria-hidden", "true");
    return made;
  }

  function showText() {
    options = [];
    let position = 0;
    const groups = rounds.map((round, index) => {
      const group = make("span", "tv-round");
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", `round ${index + 1}`);
      for (const item of round.items) {
        if (!isInText(item) && !at("rejected").checked) continue;
        const differs = isInText(item) && decode.departure && decode.departure.at === position;
        if (differs) group.append(flag());
        group.append(option(item, index, differs));
        if (isInText(item)) position += 1;
      }
      return group;
    });
    at("text").replaceChildren(...groups);
    if (decode.departure && decode.departure.at >= position) at("text").append(flag());
  }

  function option(item, round, differs) {
    const element = isInText(item)
      ? make("span", className(item), ...spelled(texts[item.text], at("spaces").checked))
      : make("span", "", make("del", className(item), ...spelled(texts[item.text], true, true))); // it breaks no line
    element.setAttribute("role", "option");
    element.setAttribute("aria-selected", "false");
    element.setAttribute("aria-label", label(item, texts) + (differs ? `; the first that differs from the baseline: ${decode.departure.kind || "not examined"}` : ""));
    element.tabIndex = -1;
    element.dataset.index = options.length;
    options.push({ element, item, round, differs });
    return element;
  }

  function showDeparture() {
    at("departure").hidden = !decode.departure;
    if (!decode.departure) return;
    const { at: position, kind, margin, rounding, margin_float32: exact, baseline } = decode.departure;
    const known = [kind ? `class: ${kind}` : "not examined"];
    if (margin !== undefined) known.push(`the baseline’s token leads by ${logits(margin)} logits`);
    if (rounding !== undefined) known.push(`rounding moves them by up to ${logits(rounding)}`);
    if (exact !== undefined) known.push(`in float32 it leads by ${logits(exact)}`);
    const went = make("div", "tv-text", ...spelled(texts[baseline], at("spaces").checked));
    const has = texts[baseline].length > 0;
    at("departure").replaceChildren(
      make("p", "", make("b", "", `≠ Token ${position + 1} is the first that differs from the baseline`), ` (${known.join("; ")}).`),
      make("p", "", has ? "There the baseline went on:" : "There the baseline ended."), ...(has ? [went] : []));
  }

  const firstOf = (round) => options.findIndex((option) => option.round === round);

  function choose(index, takesFocus = true) {
    const before = options[chosen];
    if (before) Object.assign(before.element, { tabIndex: -1 }).setAttribute("aria-selected", "false");
    chosen = index;
    const now = options[index];
    for (const shown of root.querySelectorAll(".tv-live .now")) shown.classList.remove("now");
    at("back").disabled = !now || now.round === 0;
    at("on").disabled = !now || now.round === rounds.length - 1;
    if (!now) { at("say").textContent = ""; at("inspector").replaceChildren(); return; }
    now.element.tabIndex = 0;
    now.element.setAttribute("aria-selected", "true");
    now.element.parentElement.classList.add("now");
    at("strip").children[now.round].classList.add("now");
    const said = sentence(rounds[now.round], now.round, rounds.length, texts);
    if (at("say").textContent !== said) at("say").textContent = said;
    look(now);
    if (takesFocus) now.element.focus();
  }

  function look({ item, round, differs }) {
    const note = differs ? `First difference from the baseline, which went on with ${quoted(texts[decode.departure.baseline])}.` : "";
    inspect(at("inspector"), rounds[round], round, item, texts, note);
  }

  function step(by) {
    const now = options[chosen];
    if (!now) return;
    for (let round = now.round + by; round >= 0 && round < rounds.length; round += by) {
      if (firstOf(round) >= 0) return void choose(firstOf(round));
    }
  }

  function again() { // the same token, written another way
    const now = options[chosen];
    const hadFocus = at("text").contains(document.activeElement);
    chosen = -1;
    showPrompt(at("more").getAttribute("aria-expanded") === "true");
    showDeparture();
    showText();
    if (!now) return;
    const same = options.findIndex((option) => option.item === now.item);
    choose(same >= 0 ? same : options.findLastIndex((option) => option.round === now.round), hadFocus);
  }

  function toggle(name) {
    at(name).checked = !at(name).checked;
    again();
  }

  const everywhere = { j: () => step(1), k: () => step(-1), r: () => toggle("rejected"), s: () => toggle("spaces") };
  const inText = {
    ArrowDown: () => step(1), ArrowUp: () => step(-1),
    ArrowRight: () => choose(Math.min(chosen + 1, options.length - 1)), ArrowLeft: () => choose(Math.max(chosen - 1, 0)),
    Home: () => choose(0), End: () => choose(options.length - 1),
  };

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    const act = everywhere[event.key] || (at("text").contains(event.target) && inText[event.key]);
    if (!act) return;
    event.preventDefault();
    act();
  }

  const optionAt = (event) => options[event.target.closest("[role=option]")?.dataset.index];

  function listen() {
    at("arm").addEventListener("change", () => { fillPrompts(); open(); });
    at("differ").addEventListener("change", () => { fillPrompts(); open(); });
    at("prompt").addEventListener("change", open);
    for (const name of ["rejected", "spaces"]) at(name).addEventListener("change", again);
    at("back").addEventListener("click", () => step(-1));
    at("on").addEventListener("click", () => step(1));
    at("more").addEventListener("click", () => showPrompt(at("more").getAttribute("aria-expanded") !== "true"));
    at("text").addEventListener("click", (event) => { const found = optionAt(event); if (found) choose(options.indexOf(found)); });
    at("text").addEventListener("mouseover", (event) => { const found = optionAt(event); if (found) look(found); });
    at("text").addEventListener("mouseleave", () => { if (options[chosen]) look(options[chosen]); });
    at("strip").addEventListener("click", (event) => { const found = event.target.closest("[data-round]"); if (found) choose(firstOf(Number(found.dataset.round))); });
    root.addEventListener("keydown", pressed);
    window.addEventListener("beforeprint", () => [...root.querySelectorAll(".tv-static > details")].slice(0, 3).forEach((found) => { found.open = true; }));
  }

  fillSelectors();
  fillPrompts();
  root.classList.add("tv-scripted");
  root.querySelector(".tv-live").hidden = false;
  open();
  listen();
})();
