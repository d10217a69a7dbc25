"use strict";
// Controls, legend, confusion counts, pictures in order, and one picture with its neighbors.

const number = (n) => n.toLocaleString("en-US");
const percent = (p) => `${(100 * p).toFixed(p > 0.9995 && p < 1 ? 2 : 1)}\u00a0%`;
const pictureOf = (i, frame) => `pictures/${state.map}-${i}${frame === undefined ? "" : `-${frame}`}.jpg`;

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function captionOf(i) {
  const prediction = predictionOf(i);
  if (prediction !== null) return `${labelOf(i)} → ${prediction}, ${percent(state.run.probability[i])}`;
  return `${labelOf(i)}${state.run ? ` (${state.head.statuses[state.run.status[i]]})` : ""}`;
}

function fill(select, options, chosen = "") {
  select.replaceChildren(...options.map(([value, text]) => element("option", { value, textContent: text })));
  if (options.some(([value]) => String(value) === String(chosen))) select.value = chosen;
  select.closest("label").hidden = options.length < 2;
}

function showHead() {
  const { head } = state;
  $("warning").textContent = head.warning;
  fill($("map"), head.maps.map((map, at) => [at, map.name]));
}

function fillMapControls() {
  const map = mapHead();
  $("map").value = state.map;
  const runs = state.head.runs.map((run, at) => [at, run.name]).filter(([at]) => state.head.runs[at].map === state.map);
  fill($("run"), runs);
  $("run").closest("label").hidden = !runs.length;
  fill($("plane"), map.planes.map((plane, at) => [at, plane.name]));
  fill($("dataset"), [["", "all"], ...map.datasets.map((name, at) => [at, name])]);
  $("dataset").closest("label").hidden = map.datasets.length < 2;
  fill($("label"), [["", "all"], ...map.labels.map((name, at) => [at, name || "(none)"])]); // a row may have no label
  Object.assign(view, { x: 0, y: 0, scale: 1 });
  $("detail").hidden = true;
}

function fillRunControls() {
  const run = runHead();
  if (run) $("run").value = state.runNumber;
  const colorings = [["label", "label"], ...(run ? [["prediction", "prediction"], ["result", "correct or not"]] : [])];
  if (mapHead().datasets.length > 1) colorings.push(["dataset", "dataset"]);
  fill($("color"), colorings, $("color").value);
  fill($("prediction"), [["", "all"], ...(run?.classes ?? []).map((name) => [name, name])], $("prediction").value);
  for (const id of ["prediction", "result", "order"]) $(id).closest("label").hidden = !run;
  if (!run) $("result").value = "";
  $("confusion").hidden = !run;
}

function showCounts() {
  const [none, wrong, right] = [0, 1, 2].map((result) => state.shown.reduce(
    (sum, i) => sum + (state.results[i] === result ? 1 : 0), 0));
  const parts = [`${number(state.shown.length)} of ${number(mapHead().n)} shown`];
  if (state.run) parts.push(`${number(wrong)} mistakes`, `${number(right)} correct`);
  if (state.run && none) parts.push(`${number(none)} not scored`);
  if (state.cell) parts.push(`cell ${state.cell[0]} → ${state.cell[1]}`);
  $("counts").textContent = parts.join(" · ");
}

function showLegend(groups, members) {
  const items = groups.map(([name, color], at) => [name, color, members[at].length]).filter(([, , n]) => n);
  $("legend").replaceChildren(...items.map(([name, color, n]) => {
    const mark = element("i");
    mark.style.background = color;
    return element("li", {}, mark, `${name} ${number(n)}`);
  }));
  const notes = [mapHead().planes[state.plane].caption, ...mapHead().notes];
  $("caption").textContent = notes.join(". ");
}

function confusionCounts() {
  const classes = runHead().classes;
  const counts = classes.map(() => classes.map(() => 0));
  const rowOf = mapHead().labels.map((name) => classes.indexOf(name));
  for (let i = 0; i < state.visible.length; i++) {
    const column = state.run.prediction[i];
    if (column === NONE || !state.visible[i] || (state.selection && !state.selection[i])) continue;
    const row = rowOf[state.units.label[i]];
    if (row >= 0) counts[row][column] += 1;
  }
  return counts;
}

function showConfusion() {
  if (!state.run) return;
  const classes = runHead().classes;
  const counts = confusionCounts();
  const header = element("tr", {}, element("th", { scope: "col", textContent: "label" }),
    ...classes.map((name) => element("th", { scope: "col", textContent: name })));
  const rows = counts.map((row, at) => element("tr", {}, element("th", { scope: "row", textContent: classes[at] }),
    ...row.map((n, column) => confusionCell(n, row, classes[at], classes[column]))));
  $("cells").replaceChildren(element("thead", {}, header), element("tbody", {}, ...rows));
}

function confusionCell(n, row, label, prediction) {
  const total = row.reduce((sum, one) => sum + one, 0);
  const button = element("button", { type: "button", textContent: number(n), disabled: !n,
    ariaLabel: `${n} of label ${label} predicted as ${prediction}` });
  const isPressed = state.cell && state.cell[0] === label && state.cell[1] === prediction;
  button.setAttribute("aria-pressed", String(Boolean(isPressed)));
  button.onclick = () => {
    state.cell = isPressed ? null : [label, prediction];
    refreshSelection();
  };
  const cell = element("td", { className: label === prediction ? "right" : "" }, button);
  cell.style.background = total ? `rgba(var(--cell), ${(0.55 * n) / total})` : "";
  return cell;
}

function pictureItem(i, text) {
  const image = element("img", { loading: "lazy", alt: "", width: 112, height: 112, src: pictureOf(i) });
  const button = element("button", { type: "button", className: resultOf(i) }, image,
    element("span", { textContent: text ?? captionOf(i) }));
  button.dataset.unit = i;
  button.onclick = () => openUnit(i);
  return element("li", {}, button);
}

function showGallery() {
  const units = Array.from(state.shown.slice(0, state.nShown));
  $("pictures").replaceChildren(...units.map((i) => pictureItem(i)));
  $("more").hidden = state.shown.length <= state.nShown;
}

function showMore() {
  const units = Array.from(state.shown.slice(state.nShown, state.nShown + 60));
  $("pictures").append(...units.map((i) => pictureItem(i)));
  state.nShown += 60;
  $("more").hidden = state.shown.length <= state.nShown;
}

function openUnit(i) {
  state.chosen = i;
  $("detail").hidden = false;
  $("picture").src = pictureOf(i);
  $("picture").alt = `picture of ${captionOf(i)}`;
  $("unit").textContent = captionOf(i);
  const n = state.units.frames[i];
  $("strip").replaceChildren(...Array.from({ length: n }, (_, frame) =>
    element("img", { width: 64, height: 64, alt: `frame ${frame + 1} of ${n}`, src: pictureOf(i, frame) })));
  const at = state.shown.indexOf(i);
  $("previous").disabled = at <= 0;
  $("next").disabled = at < 0 || at + 1 >= state.shown.length;
  $("detail").scrollIntoView({ block: "nearest" });
  drawPoints();
  showFacts(i);
  showNear(i);
}

async function showFacts(i) {
  $("facts").replaceChildren();
  const chunk = Math.floor(i / state.head.rowsAtOnce);
  const rows = await load(`rows-${state.map}-${chunk}`);
  if (state.chosen !== i) return;
  const facts = Object.entries({ dataset: mapHead().datasets[state.units.dataset[i]],
    ...rows[i - chunk * state.head.rowsAtOnce] });
  $("facts").replaceChildren(...facts.filter(([, value]) => value !== "").flatMap(([name, value]) =>
    [element("dt", { textContent: name }), element("dd", { textContent: value })]));
}

async function showNear(i) {
  $("near").replaceChildren();
  $("near-message").textContent = "Searching …";
  let near;
  try {
    near = await load(`near-${state.map}-${i}`);
  } catch (error) {
    near = { units: [], note: isLive ? "fer-stage browse has ended: start it again" : state.head.nearNote };
  }
  if (state.chosen !== i) return;
  $("near-message").textContent = near.note;
  $("near").replaceChildren(...near.units.map((unit, at) =>
    pictureItem(unit, `${near.cosines[at].toFixed(3)} ${captionOf(unit)}`)));
}

function step(by) {
  const unit = state.shown[state.shown.indexOf(state.chosen) + by];
  if (unit !== undefined) openUnit(unit);
}

function clearFilters() {
  for (const id of ["dataset", "label", "prediction", "result"]) $(id).value = "";
  if (isLive) $("where").value = "";
  $("where-message").textContent = "";
  Object.assign(state, { where: null, selection: null, cell: null });
  refresh();
}

function listen() {
  $("map").onchange = () => setMap(Number($("map").value));
  $("run").onchange = () => setRun(Number($("run").value));
  $("plane").onchange = () => { state.plane = Number($("plane").value); state.selection = null; refreshSelection(); };
  $("color").onchange = drawPoints;
  $("order").onchange = refreshSelection;
  for (const id of ["dataset", "label", "prediction", "result"]) $(id).onchange = refresh;
  $("controls").addEventListener("submit", (event) => { event.preventDefault(); if (isLive) applyWhere(); });
  $("clear").onclick = clearFilters;
  $("unselect").onclick = () => { state.selection = state.cell = null; refreshSelection(); };
  $("more").onclick = showMore;
  $("previous").onclick = () => step(-1);
  $("next").onclick = () => step(1);
  $("close").onclick = () => { $("detail").hidden = true; state.chosen = -1; drawPoints(); };
  listenToCanvas();
}
