"use strict";
// Charts: the values under the pointer, or stepped through with the arrow keys.
for (const chart of document.querySelectorAll("svg.chart[data-points]")) {
  const lines = JSON.parse(chart.dataset.points);
  const [from, to, left, right, width] = JSON.parse(chart.dataset.box);
  const cursor = chart.querySelector(".cursor");
  const reading = chart.parentElement.querySelector(".reading");
  const steps = lines.reduce((longest, line) => (line.x.length > longest.length ? line.x : longest), []);
  let place = steps.length - 1;
  const show = (index) => {
    place = Math.max(0, Math.min(steps.length - 1, index));
    const step = steps[place];
    const x = left + ((step - from) / (to - from)) * (right - left);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    const found = lines.map((line) => `${line.name} ${line.y[nearest(line.x, step)]}`);
    reading.textContent = `step ${step}: ${found.join(", ")}`;
  };
  const hide = () => {
    cursor.setAttribute("x1", -9);
    cursor.setAttribute("x2", -9);
    reading.textContent = "";
  };
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    show(nearest(steps, from + ((x - left) / (right - left)) * (to - from)));
  });
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("focus", () => show(place));
  chart.addEventListener("blur", hide);
  chart.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) {
      event.preventDefault();
      show(place + move);
    }
  });
}

function nearest(values, wanted) {
  let best = 0;
  values.forEach((value, index) => {
    if (Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = index;
  });
  return best;
}

const pause = document.getElementById("pause");
if (pause) {
  pause.addEventListener("click", () => {
    const isPaused = document.body.classList.toggle("paused");
    pause.setAttribute("aria-pressed", isPaused);
    pause.textContent = isPaused ? "Play" : "Pause";
  });
}

// Maps: the clip under the pointer, or reached with the arrow keys, with its frames.
const MOST_LEGEND = 16;
const MAP_WIDTH = 600, MAP_HEIGHT = 420, MAP_MARGIN = 12;
const REACH = 24;
const HEADINGS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const kept = document.getElementById("thumbnails");
const allThumbnails = kept ? JSON.parse(kept.textContent) : {};
for (const map of document.querySelectorAll("figure.map")) drawMap(map);

function drawMap(map) {
  const { points, colours } = JSON.parse(map.querySelector("script").textContent);
  const thumbnails = allThumbnails[map.dataset.of] || {};
  const svg = map.querySelector("svg");
  const places = placed(points);
  const dots = points.map((point, index) => {
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    dot.setAttribute("cx", places[index][0].toFixed(1));
    dot.setAttribute("cy", places[index][1].toFixed(1));
    dot.setAttribute("r", points.length > 600 ? 3 : 4.5);
    dot.setAttribute("fill", colours[point.group] || "currentColor");
    svg.append(dot);
    return dot;
  });
  const frames = map.querySelector("img");
  const reading = map.querySelector(".reading");
  const hint = reading.textContent;
  let shown = null;
  const show = (index) => {
    if (index === null || index === shown) return;
    hide();
    shown = index;
    const { video, group } = points[index];
    const picture = thumbnails[video];
    dots[index].classList.add("chosen");
    svg.append(dots[index]);
    dots.forEach((dot, other) => dot.classList.toggle("other", points[other].group !== group));
    frames.hidden = !picture;
    frames.src = picture || "data:,";
    frames.alt = `frames of ${video}`;
    reading.textContent = `${group} · ${video}`;
  };
  const hide = () => {
    if (shown !== null) dots[shown].classList.remove("chosen");
    dots.forEach((dot) => dot.classList.remove("other"));
    shown = null;
    frames.hidden = true;
    reading.textContent = hint;
  };
  let last = 0;
  const follow = (event) => {
    const box = svg.getBoundingClientRect();
    const scale = MAP_WIDTH / box.width;
    const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const [index, distance] = closest(places, at);
    if (distance <= REACH * Math.max(1, scale)) show((last = index));
    else if (document.activeElement !== svg) hide();
  };
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  svg.addEventListener("pointerleave", () => document.activeElement !== svg && hide());
  svg.addEventListener("focus", () => show(last));
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    if (!HEADINGS[event.key]) return;
    event.preventDefault();
    show((last = nextTowards(places, last, HEADINGS[event.key])));
  });
  legend(map.querySelector(".legend"), colours);
}

function placed(points) {
  const [xs, ys] = [points.map((point) => point.x), points.map((point) => point.y)];
  const span = (values, length, isFlipped) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const shares = values.map((value) => (high > low ? (value - low) / (high - low) : 0.5));
    return shares.map((share) => MAP_MARGIN + (isFlipped ? 1 - share : share) * (length - 2 * MAP_MARGIN));
  };
  const [across, down] = [span(xs, MAP_WIDTH, false), span(ys, MAP_HEIGHT, true)];
  return across.map((x, index) => [x, down[index]]);
}

function closest(places, [x, y]) {
  let [best, least] = [0, Infinity];
  places.forEach(([px, py], index) => {
    const distance = Math.hypot(px - x, py - y);
    if (distance < least) [best, least] = [index, distance];
  });
  return [best, least];
}

// The place that lies nearest in a direction, straight ahead before aside; where there is none, stay.
function nextTowards(places, from, [dx, dy]) {
  let [best, least] = [from, Infinity];
  places.forEach(([x, y], index) => {
    const along = (x - places[from][0]) * dx + (y - places[from][1]) * dy;
    const aside = Math.abs((x - places[from][0]) * dy) + Math.abs((y - places[from][1]) * dx);
    if (along > 0 && along + 2 * aside < least) [best, least] = [index, along + 2 * aside];
  });
  return best;
}

function legend(place, colours) {
  const groups = Object.keys(colours);
  if (groups.length > MOST_LEGEND) return;
  for (const group of groups) {
    const [entry, mark] = [document.createElement("span"), document.createElement("i")];
    mark.style.background = colours[group];
    entry.append(mark, group);
    place.append(entry, " ");
  }
}
