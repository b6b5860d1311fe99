// Shows videos, classes and confusions of one or two models; the data are in the element #data.
"use strict";

const PAGE = 50; // videos or rows that are added at a time
const data = JSON.parse(document.getElementById("data").textContent);
const { classes, labelled, models } = data;
const two = models.length === 2;
const state = {
  tab: "videos",
  text: "",
  vertical: -1,
  picked: null, // a class
  instead: null, // the class that was predicted instead
  role: "any",
  order: two ? "second" : "worst",
  column: two ? "gain" : labelled ? "videos" : "best in",
  rising: false,
  pairs: 2, // the column that confusions are sorted by
};

const uint16 = (text) => {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Uint16Array(bytes.buffer);
};
const NONE = 65535, K = data.top_k, N = data.ids.length;
const labels = uint16(data.labels), ends = new Uint32Array(N + 1);
uint16(data.label_counts).forEach((count, v) => { ends[v + 1] = ends[v] + count; });
for (const model of models) {
  for (const part of ["predicted", "scores", "ap"]) model[part] = uint16(model[part]);
}

const named = (c) => classes.names[c] || `class ${c}`;
const make = (tag, text, name) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
};
const byId = (id) => document.getElementById(id);
const count = (v) => ends[v + 1] - ends[v];
const has = (v, c) => {
  for (let i = ends[v]; i < ends[v + 1]; i++) if (labels[i] === c) return true;
  return false;
};
// The best n predictions of a video with n labels count; of one without labels, the best five.
const counted = (v) => (labelled ? Math.min(count(v), K) : Math.min(5, K));
const predicted = (v, c, model) => {
  for (let i = v * K; i < v * K + counted(v); i++) if (model.predicted[i] === c) return true;
  return false;
};
const ap = (v, m) => models[m].ap[v] / 65534;

// ---- which videos are shown, and in what order

function chosenClasses() {
  const text = state.text.toLowerCase();
  const mask = new Uint8Array(classes.names.length);
  if (text) classes.names.forEach((name, c) => { mask[c] = named(c).toLowerCase().includes(text); });
  return mask;
}

function touches(v, test) {
  for (let i = ends[v]; i < ends[v + 1]; i++) if (test(labels[i])) return true;
  for (const model of models) {
    for (let i = v * K; i < v * K + counted(v); i++) {
      if (model.predicted[i] !== NONE && test(model.predicted[i])) return true;
    }
  }
  return false;
}

function inRole(v, c) {
  const guessed = models.some((model) => predicted(v, c, model)), right = has(v, c);
  if (state.role === "missed") return right && models.some((model) => !predicted(v, c, model));
  if (state.role === "wrong") return guessed && !right;
  return guessed || right;
}

function filtered() {
  const mask = chosenClasses(), found = [];
  const inVertical = (c) => classes.verticals[c] === state.vertical;
  for (let v = 0; v < N; v++) {
    if (state.vertical >= 0 && !touches(v, inVertical)) continue;
    if (state.picked !== null && !inRole(v, state.picked)) continue;
    if (state.instead !== null && (has(v, state.instead) ||
        !models.some((model) => predicted(v, state.instead, model)))) continue;
    if (state.text && !data.ids[v].includes(state.text) && !touches(v, (c) => mask[c])) continue;
    found.push(v);
  }
  const gain = (v) => ap(v, 1) - ap(v, 0);
  if (state.order === "best") found.reverse();
  if (state.order === "second") found.sort((a, b) => gain(b) - gain(a));
  if (state.order === "first") found.sort((a, b) => gain(a) - gain(b));
  return found; // the data come with the worst first
}

// ---- drawing

function chip(c, kind, score) {
  const made = make("button", named(c), `chip ${kind}`);
  made.title = `${classes.verticals.length ? data.verticals[classes.verticals[c]] + ", " : ""}class ${c}`;
  if (score !== undefined) made.append(make("i", rounded(score)));
  made.onclick = () => pick(c, null, "any");
  return made;
}

function rounded(score) { // 0.00 would say nothing
  return score < 0.01 ? score.toPrecision(1) : score.toFixed(2);
}

function link(id) {
  const video = id.split(":")[0]; // of a segment
  if (!/^[A-Za-z0-9]{4}$/.test(video)) return make("b", id);
  const made = make("a", id);
  made.href = `https://data.yt8m.org/2/j/i/${video.slice(0, 2)}/${video}.js`;
  made.target = "_blank";
  made.rel = "noreferrer";
  made.title = "what the public id stands for on YouTube";
  return made;
}

function predictions(v, m) {
  const made = make("td"), model = models[m], shown = Math.max(5, counted(v) + 2);
  for (let i = 0; i < Math.min(K, shown); i++) {
    const c = model.predicted[v * K + i];
    if (c === NONE) break;
    const kind = !labelled ? "" : has(v, c) ? "right" : i < counted(v) ? "wrong" : "late";
    made.append(chip(c, kind, model.scores[v * K + i] / 65535));
  }
  return made;
}

function videoRow(v) {
  const made = make("tr"), first = make("td");
  first.append(link(data.ids[v]));
  if (data.frames) first.append(make("small", ` ${data.frames[v]} frames`));
  made.append(first);
  if (labelled) {
    models.forEach((_, m) => made.append(make("td", count(v) ? ap(v, m).toFixed(2) : "", "number")));
    const truth = make("td");
    for (let i = ends[v]; i < ends[v + 1]; i++) {
      const found = models.map((model) => predicted(v, labels[i], model));
      truth.append(chip(labels[i], found.every(Boolean) ? "right" : found.some(Boolean) ? "half" : "missed"));
    }
    made.append(truth);
  }
  models.forEach((_, m) => made.append(predictions(v, m)));
  return made;
}

function rows(target, heads, items, row) {
  const table = make("table"), line = make("tr"), more = make("button", "show more");
  line.append(...heads);
  table.append(line);
  let shown = 0;
  const add = () => {
    table.append(...items.slice(shown, shown + PAGE).map(row));
    shown += PAGE;
    more.hidden = shown >= items.length;
  };
  more.onclick = add;
  add();
  target.replaceChildren(table, more);
}

const title = (text, name) => make("th", text, name);

function drawVideos() {
  const found = filtered(), sampled = data.videos > N ? ` (a sample of ${data.videos.toLocaleString("en")})` : "";
  byId("count").textContent = `${found.length.toLocaleString("en")} of ${N.toLocaleString("en")} videos${sampled}`;
  const names = models.map((model) => model.name);
  const heads = [title("video")];
  if (labelled) {
    heads.push(...names.map((name) => title(two ? `AP, ${name}` : "AP", "number")), title("labels"));
  }
  heads.push(...names.map((name) => title(two ? `predicted by ${name}` : "predicted")));
  rows(byId("videos"), heads, found, videoRow);
}

const shownNumber = (value) => {
  if (value === null) return "";
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(3);
};

function drawClasses() {
  const text = state.text.toLowerCase();
  const place = classes.columns.indexOf(state.column);
  const value = (row) => (place < 0 ? named(row[0]) : row[place + 1]);
  const found = classes.rows.filter(([c]) => (!text || named(c).toLowerCase().includes(text)) &&
    (state.vertical < 0 || classes.verticals[c] === state.vertical));
  const sign = state.rising ? 1 : -1;
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  found.sort((a, b) => { // what is not known comes last
    const [x, y] = [value(a), value(b)];
    return x === null || y === null ? (x === null) - (y === null) : sign * compare(x, y);
  });
  byId("count").textContent = `${found.length.toLocaleString("en")} classes`;
  const heads = ["class", ...classes.columns].map((name, i) => {
    const mark = state.column === name ? (state.rising ? " ↑" : " ↓") : "";
    const head = make("th", "", i ? "number" : ""), button = make("button", name + mark, "head");
    button.onclick = () => {
      state.rising = state.column === name ? !state.rising : name === "class";
      state.column = name;
      draw();
    };
    head.append(button);
    return head;
  });
  heads.splice(1, 0, make("th", "vertical"));
  rows(byId("classes"), heads, found, (row) => {
    const line = make("tr"), first = make("td");
    first.append(chip(row[0], ""));
    line.append(first, make("td", data.verticals[classes.verticals[row[0]]] || "", "grey"));
    line.append(...row.slice(1).map((cell) => make("td", shownNumber(cell), "number")));
    return line;
  });
}

function drawConfusions() {
  const text = state.text.toLowerCase();
  const fits = (c) => (!text || named(c).toLowerCase().includes(text)) &&
    (state.vertical < 0 || classes.verticals[c] === state.vertical);
  const found = data.confusions.filter(([missed, instead]) => fits(missed) || fits(instead));
  found.sort((a, b) => b[state.pairs] - a[state.pairs]);
  byId("count").textContent = `${found.length.toLocaleString("en")} pairs`;
  const sorted = (text, place) => {
    const head = make("th", "", "number");
    const button = make("button", text + (state.pairs === place ? " ↓" : ""), "head");
    button.onclick = () => { state.pairs = place; draw(); };
    head.append(button);
    return head;
  };
  const heads = [title("missed"), title("predicted instead"), sorted("videos", 2),
    sorted("times chance", 3), title("")];
  rows(byId("confusions"), heads, found, ([missed, instead, videos, lift]) => {
    const line = make("tr"), cells = [make("td"), make("td"), make("td", videos, "number"),
      make("td", lift.toFixed(1), "number"), make("td")];
    const button = make("button", "show videos");
    button.onclick = () => pick(missed, instead, "missed");
    cells[0].append(chip(missed, "missed"));
    cells[1].append(chip(instead, "wrong"));
    cells[4].append(button);
    line.append(...cells);
    return line;
  });
}

function pick(c, instead, role) {
  Object.assign(state, { picked: c, instead, role, tab: "videos", text: "", vertical: -1 });
  byId("text").value = "";
  byId("vertical").value = -1;
  byId("role").value = role;
  window.scrollTo(0, 0);
  draw();
}

function draw() {
  for (const name of ["videos", "classes", "confusions", "slices"]) {
    if (byId(name)) byId(name).hidden = state.tab !== name;
  }
  for (const button of document.querySelectorAll("nav button")) {
    button.classList.toggle("on", button.value === state.tab);
  }
  const videos = state.tab === "videos", picked = state.picked !== null;
  byId("bar").hidden = state.tab === "slices";
  for (const name of ["order", "picked"]) byId(name).hidden = !videos;
  byId("role").hidden = !(videos && picked && labelled);
  byId("picked").hidden = !(videos && picked);
  if (picked) {
    const instead = state.instead === null ? "" : `, with ${named(state.instead)} instead`;
    byId("picked").textContent = `${named(state.picked)}${instead} ✕`;
  }
  ({ videos: drawVideos, classes: drawClasses, confusions: drawConfusions })[state.tab]?.();
}

for (const [place, name] of data.verticals.entries()) {
  byId("vertical").append(new Option(name, place));
}
byId("vertical").hidden = data.verticals.length === 0;
for (const name of ["text", "vertical", "role", "order"]) {
  byId(name).oninput = (event) => {
    state[name] = name === "vertical" ? Number(event.target.value) : event.target.value;
    draw();
  };
}
byId("order").value = state.order;
byId("picked").onclick = () => { state.picked = state.instead = null; draw(); };
for (const button of document.querySelectorAll("nav button")) {
  button.onclick = () => { state.tab = button.value; draw(); };
}
draw();
