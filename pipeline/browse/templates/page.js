"use strict";
// Data, filters and what is selected. scatter.js draws the points, views.js everything else.

const $ = (id) => document.getElementById(id);
const NONE = 255;
const isLive = document.body.dataset.live === "yes";

const waiting = new Map(); // name of a file of data -> promise of its value
const arriving = new Map(); // the same -> what resolves it

// Files of data call this.
function loaded(name, value) {
  arriving.get(name)?.(value);
}

function load(name) {
  if (!waiting.has(name)) {
    const promise = new Promise((resolve, reject) => {
      arriving.set(name, resolve);
      const script = document.createElement("script");
      script.onload = () => script.remove();
      script.onerror = () => {
        script.remove();
        waiting.delete(name); // the next request tries again
        reject(new Error(`${name} is not there`));
      };
      script.src = `data/${name}.js`;
      document.head.append(script);
    });
    waiting.set(name, promise);
  }
  return waiting.get(name);
}

const ARRAYS = { uint8: Uint8Array, float32: Float32Array };

function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const unpacked = (packed) => new ARRAYS[packed.dtype](bytesOf(packed.data).buffer);

async function arraysOf(name) {
  const value = await load(name);
  return Object.fromEntries(Object.entries(value).map(([key, packed]) => [key, unpacked(packed)]));
}

// What is shown. `units` and `run` hold arrays; `run` is null where nothing is predicted.
const state = {
  head: null, map: 0, units: null, runNumber: -1, run: null, plane: 0,
  where: null, // Uint8Array of bits, or null
  selection: null, // Uint8Array, 1 of selected units, or null
  cell: null, // [label, prediction] names, or null
  results: new Uint8Array(0), visible: new Uint8Array(0), shown: [], chosen: -1, nShown: 60,
};

const mapHead = () => state.head.maps[state.map];
const runHead = () => (state.runNumber < 0 ? null : state.head.runs[state.runNumber]);
const labelOf = (i) => mapHead().labels[state.units.label[i]];
const predictionOf = (i) => {
  const at = state.run ? state.run.prediction[i] : NONE;
  return at === NONE ? null : runHead().classes[at];
};

// "right", "wrong" or "none"
const RESULT_NAMES = ["none", "wrong", "right"];
const resultOf = (i) => RESULT_NAMES[state.results[i]];

// Position of its result in RESULT_NAMES, of each unit.
function allResults() {
  const results = new Uint8Array(mapHead().n);
  if (!state.run) return results;
  const labelOfClass = runHead().classes.map((name) => mapHead().labels.indexOf(name));
  const { prediction } = state.run;
  for (let i = 0; i < results.length; i++) {
    if (prediction[i] !== NONE) results[i] = labelOfClass[prediction[i]] === state.units.label[i] ? 2 : 1;
  }
  return results;
}

function bitOf(bits, i) {
  return (bits[i >> 3] >> (i & 7)) & 1;
}

// Pairs of an array and the number that a unit must have in it.
function chosenNumbers() {
  const chosen = [];
  const add = (id, values, numberOf) => {
    const { value } = $(id);
    if (value !== "") chosen.push([values, numberOf(value)]);
  };
  add("dataset", state.units.dataset, Number);
  add("label", state.units.label, Number);
  if (state.run) add("prediction", state.run.prediction, (name) => runHead().classes.indexOf(name));
  add("result", state.results, (name) => RESULT_NAMES.indexOf(name));
  return chosen;
}

function filtered() {
  const visible = new Uint8Array(mapHead().n);
  const chosen = chosenNumbers();
  for (let i = 0; i < visible.length; i++) {
    visible[i] = (!state.where || bitOf(state.where, i)) && chosen.every(([values, number]) => values[i] === number) ? 1 : 0;
  }
  return visible;
}

const inCell = (i) => !state.cell || (labelOf(i) === state.cell[0] && predictionOf(i) === state.cell[1]);
const isShown = (i) => state.visible[i] && (!state.selection || state.selection[i]) && inCell(i);

function inOrder(units) {
  const order = $("order").value;
  if (order === "table" || !state.run) return units;
  const p = state.run.probability;
  // What a unit is sorted by, the least first: mistakes, then what is correct, then what was not scored.
  const keys = new Float64Array(mapHead().n);
  for (const i of units) {
    const result = state.results[i];
    keys[i] = result === 0 ? 9 : order === "unsure" ? p[i] : (result === 1 ? 0 : 2) + 1 - p[i];
  }
  return Uint32Array.from(units).sort((a, b) => keys[a] - keys[b] || a - b);
}

// Call after any change of filters, run or selection.
function refresh() {
  state.visible = filtered();
  refreshSelection();
}

// Call after a change of the selection, the cell or the order only.
function refreshSelection() {
  const units = [];
  for (let i = 0; i < state.visible.length; i++) if (isShown(i)) units.push(i);
  state.shown = inOrder(units);
  state.nShown = 60;
  $("unselect").disabled = !state.selection && !state.cell;
  showCounts();
  drawPoints();
  showConfusion();
  showGallery();
}

async function setMap(number) {
  const arrays = await arraysOf(`map-${number}`);
  Object.assign(state, { map: number, units: arrays, plane: 0, selection: null, cell: null, where: null, chosen: -1 });
  fillMapControls();
  const first = state.head.runs.findIndex((run) => run.map === number);
  await setRun(first);
}

async function setRun(number) {
  const arrays = number < 0 ? null : await arraysOf(`run-${number}`);
  Object.assign(state, { runNumber: number, run: arrays, cell: null });
  state.results = allResults();
  fillRunControls();
  if (isLive && $("where").value.trim()) await applyWhere();
  else {
    refresh();
    if (state.chosen >= 0) openUnit(state.chosen);
  }
}

// The condition is evaluated by the program, in its `where` language.
async function applyWhere() {
  const text = $("where").value.trim();
  $("where-message").textContent = "";
  state.where = null;
  if (text) {
    const query = new URLSearchParams({ map: state.map, run: state.runNumber, q: text });
    try {
      const answer = await (await fetch(`where?${query}`)).json();
      $("where-message").textContent = answer.error ?? answer.note ?? "";
      if (!answer.error) state.where = bytesOf(answer.bits);
    } catch (error) {
      $("where-message").textContent = "fer-stage browse has ended: start it again";
    }
  }
  refresh();
}

window.addEventListener("DOMContentLoaded", async () => {
  try {
    state.head = await load("head");
    showHead();
    listen();
    await setMap(0);
    document.body.dataset.ready = "yes";
  } catch (error) {
    $("counts").textContent = `This page could not be loaded: ${error.message}`;
  }
});
