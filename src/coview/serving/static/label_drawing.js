// What the labelling page draws: a class over a video, and how good the head is.
import { counted, el } from "./dom.js";

const HUES = [210, 24, 150, 275, 45, 330, 95, 185, 0];

export const toneOf = (place) => (place < 0 ? "gray" : `oklch(0.66 0.14 ${HUES[place % HUES.length]})`);

// How likely each moment shows a class, the segments that follow, and along the top what was labelled.
export function drawStrip(canvas, found, name, length, tone) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  if (!width) return;
  canvas.width = width;
  canvas.height = height;
  const draw = canvas.getContext("2d");
  const x = (seconds) => (seconds / length) * width;
  draw.fillStyle = draw.strokeStyle = tone;
  draw.globalAlpha = 0.28;
  for (const one of found.segments) if (one.label === name) draw.fillRect(x(one.start), 0, x(one.end) - x(one.start), height);
  draw.globalAlpha = 0.9;
  draw.lineWidth = 1.6 * scale;
  const y = (chance) => height - 2 * scale - chance * (height - 7 * scale);
  const chances = found.chances[found.classes.indexOf(name)] || [];
  draw.beginPath();
  chances.forEach((chance, place) => {
    if (!place) draw.moveTo(0, y(chance));
    draw.lineTo(x((found.start[place] + found.end[place]) / 2), y(chance));
  });
  if (chances.length) draw.lineTo(width, y(chances[chances.length - 1]));
  draw.stroke();
  draw.globalAlpha = 1;
  for (const one of found.labels) {
    if (one.classes.includes(name)) draw.fillRect(x(one.start ?? 0), 0, x(one.end ?? length) - x(one.start ?? 0), 4 * scale);
  }
}

const share = (value) => (value === null || value === undefined ? "–" : `${Math.round(100 * value)}`);

function intervalBar(one) {
  const bar = el("span", { class: "span" });
  if (one.f1 === null) return bar;
  const [low, high] = [one.low ?? one.f1, one.high ?? one.f1];
  const [range, at] = [el("b", {}), el("i", {})];
  range.style.left = `${100 * low}%`;
  range.style.width = `${100 * (high - low)}%`;
  at.style.left = `${100 * one.f1}%`;
  bar.append(range, at);
  return bar;
}

// Nodes for "How good am I?".
export function howGood(standing) {
  const parts = [el("h2", {}, "How good am I?")];
  if (standing.macro_f1 !== null) {
    const interval = standing.low === null ? "" : ` (95 %: ${share(standing.low)} to ${share(standing.high)})`;
    const words = `macro-F1${interval}, on ${counted(standing.recordings, "recording")} that the head had not seen. Its probabilities are off by ${share(standing.calibration_error)} points.`;
    parts.push(el("div", { class: "large" }, `${share(standing.macro_f1)} %`), el("p", {}, words));
  } else parts.push(el("p", {}, standing.has_head ? "That cannot be said yet: label moments of other recordings." : (standing.state === "fitting" ? "Learning from the labels …" : standing.labels && standing.reason) || "Not at all yet: name a class and label a few moments."));
  for (const remark of standing.remarks || []) parts.push(el("p", {}, `Note: ${remark}.`));
  if (standing.classes.length) {
    const heads = ["class", "labels", "F1", "95 %"].map((name) => el("th", { scope: "col" }, name));
    const rows = standing.classes.map((one) =>
      el("tr", {}, el("th", { scope: "row", title: one.name }, el("bdi", {}, one.name)), el("td", {}, String(one.labels)), el("td", {}, share(one.f1)), el("td", {}, intervalBar(one))),
    );
    parts.push(el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
  }
  const fitted = standing.has_head ? ` · fitted in ${standing.fit_seconds.toFixed(2)} s` : "";
  parts.push(el("p", {}, `${counted(standing.labels, "label")} of ${counted(standing.videos, "video")}${fitted}${standing.state === "fitting" ? " · following …" : ""}`));
  return parts;
}
