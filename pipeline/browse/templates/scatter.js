"use strict";
// The scatter of features: points on a canvas, zoom, rectangle selection, and the picture below the pointer.

// Colors that people with color blindness tell apart (Okabe and Ito), and grey.
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#7b52ab", "#a6761d",
  "#4d8f00", "#b0003a", "#006d77"];
const RESULTS = { wrong: ["mistake", "#d55e00"], right: ["correct", "#56b4e9"], none: ["not scored", "#8c8c8c"] };
const REACH = 10; // pixels around the pointer

const view = { x: 0, y: 0, scale: 1, drag: null };

const names = () => [...new Set([...mapHead().labels, ...(runHead()?.classes ?? [])])];

// Groups of the current coloring: [name, color], and the group of each unit.
function coloring() {
  const by = $("color").value;
  if (by === "result") {
    return { groups: RESULT_NAMES.map((name) => RESULTS[name]), groupOf: (i) => state.results[i] };
  }
  if (by === "dataset") {
    const groups = mapHead().datasets.map((name, at) => [name, COLORS[at % COLORS.length]]);
    return { groups, groupOf: (i) => state.units.dataset[i] };
  }
  const all = names();
  const groups = [...all.map((name, at) => [name, COLORS[at % COLORS.length]]), ["not scored", "#8c8c8c"]];
  const ofLabel = mapHead().labels.map((name) => all.indexOf(name));
  const ofClass = (runHead()?.classes ?? []).map((name) => all.indexOf(name));
  if (by === "label") return { groups: groups.slice(0, -1), groupOf: (i) => ofLabel[state.units.label[i]] };
  return {
    groups,
    groupOf: (i) => (!state.run || state.run.prediction[i] === NONE ? all.length : ofClass[state.run.prediction[i]]),
  };
}

const xs = () => state.units[`x${state.plane}`];
const ys = () => state.units[`y${state.plane}`];

function extent(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return least > most ? [0, 1] : [least, most];
}

// From a unit to its pixels: equal scales of both axes, the whole in the middle, then the zoom.
function projection() {
  const canvas = $("points");
  const box = [canvas.clientWidth, canvas.clientHeight];
  const [x0, x1] = extent(xs());
  const [y0, y1] = extent(ys());
  const fit = Math.min((box[0] - 24) / (x1 - x0 || 1), (box[1] - 24) / (y1 - y0 || 1)) * view.scale;
  return {
    fit,
    left: box[0] / 2 - ((x0 + x1) / 2) * fit + view.x,
    top: box[1] / 2 + ((y0 + y1) / 2) * fit + view.y,
  };
}

let places = null; // the projection of what is drawn

function drawPoints() {
  const canvas = $("points");
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  places = projection();
  const { groups, groupOf } = coloring();
  const members = groups.map(() => []);
  const others = [];
  const x = xs();
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i])) continue;
    (isShown(i) ? members[groupOf(i)] : others).push(i);
  }
  const side = x.length > 50000 ? 2 : x.length > 5000 ? 3 : 5;
  context.globalAlpha = 0.25;
  drawGroup(context, others, "#8c8c8c", side);
  context.globalAlpha = x.length > 50000 ? 0.6 : 0.85;
  groups.forEach(([, color], at) => drawGroup(context, members[at], color, side));
  context.globalAlpha = 1;
  drawMarks(context);
  showLegend(groups, members);
}

function drawGroup(context, units, color, side) {
  const [x, y] = [xs(), ys()];
  context.fillStyle = color;
  for (const i of units) {
    context.fillRect(x[i] * places.fit + places.left - side / 2, places.top - y[i] * places.fit - side / 2, side, side);
  }
}

function drawMarks(context) {
  context.strokeStyle = getComputedStyle(document.body).color;
  context.lineWidth = 2;
  if (state.chosen >= 0 && !Number.isNaN(xs()[state.chosen])) {
    const [x, y] = pixelsOf(state.chosen);
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }
  if (view.drag) {
    const { x0, y0, x1, y1 } = view.drag;
    context.lineWidth = 1;
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
}

const pixelsOf = (i) => [xs()[i] * places.fit + places.left, places.top - ys()[i] * places.fit];

// The shown unit nearest to some pixels; -1 if none is within reach.
function unitAt(px, py) {
  let [best, distance] = [-1, REACH * REACH];
  const [x, y] = [xs(), ys()];
  for (let i = 0; i < x.length; i++) {
    const dx = x[i] * places.fit + places.left - px;
    const dy = places.top - y[i] * places.fit - py;
    const d = dx * dx + dy * dy;
    if (d < distance && isShown(i)) [best, distance] = [i, d];
  }
  return best;
}

function selectRectangle({ x0, y0, x1, y1 }) {
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)];
  const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)];
  const selection = new Uint8Array(mapHead().n);
  for (let i = 0; i < selection.length; i++) {
    const [x, y] = pixelsOf(i);
    selection[i] = x >= left && x <= right && y >= top && y <= bottom ? 1 : 0;
  }
  state.selection = selection;
  refreshSelection();
}

function zoom(factor, px, py) {
  const canvas = $("points");
  const [cx, cy] = [(px ?? canvas.clientWidth / 2) - canvas.clientWidth / 2,
    (py ?? canvas.clientHeight / 2) - canvas.clientHeight / 2];
  const scale = Math.min(200, Math.max(1, view.scale * factor));
  view.x = cx - (cx - view.x) * (scale / view.scale);
  view.y = cy - (cy - view.y) * (scale / view.scale);
  if (scale === 1) view.x = view.y = 0;
  view.scale = scale;
  drawPoints();
}

function showHover(i, px, py) {
  const hover = $("hover");
  hover.hidden = i < 0;
  if (i < 0) return;
  const [image, text] = [hover.querySelector("img"), hover.querySelector("span")];
  const source = pictureOf(i);
  if (image.getAttribute("src") !== source) image.src = source;
  text.textContent = captionOf(i);
  const box = $("points");
  hover.style.left = `${Math.min(px + 14, Math.max(0, box.clientWidth - 150))}px`;
  hover.style.top = `${Math.min(py + 14, Math.max(0, box.clientHeight - 190))}px`;
}

// What the mouse does, without one.
const KEYS = { "+": () => zoom(1.5), "-": () => zoom(1 / 1.5), ArrowRight: () => step(1), ArrowLeft: () => step(-1) };

function listenToCanvas() {
  const canvas = $("points");
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event);
    view.drag = { x0: x, y0: y, x1: x, y1: y };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (!view.drag) return showHover(unitAt(x, y), x, y);
    Object.assign(view.drag, { x1: x, y1: y });
    return requestAnimationFrame(drawPoints);
  });
  canvas.addEventListener("pointerup", () => {
    const drag = view.drag;
    view.drag = null;
    if (!drag) return;
    if (Math.hypot(drag.x1 - drag.x0, drag.y1 - drag.y0) > 5) return selectRectangle(drag);
    const unit = unitAt(drag.x0, drag.y0);
    if (unit >= 0) openUnit(unit);
    drawPoints();
  });
  canvas.addEventListener("pointercancel", () => { view.drag = null; });
  canvas.addEventListener("pointerleave", () => { $("hover").hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.25 : 0.8, ...at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  $("zoom-in").onclick = () => zoom(1.5);
  $("zoom-out").onclick = () => zoom(1 / 1.5);
  $("zoom-reset").onclick = () => { Object.assign(view, { x: 0, y: 0, scale: 1 }); drawPoints(); };
  window.addEventListener("resize", drawPoints);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPoints);
}
