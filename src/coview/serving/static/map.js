// The map: a point a video, drawn by WebGL; look around, point at one to see it, drag a lasso to list many.
import { get, posterOf } from "./api.js";
import { card } from "./cards.js";
import { counted, el } from "./dom.js";

const LISTED = 120;
const REACH = 14;
const HUES = [214, 24, 146, 270, 340, 50, 186, 300, 90, 0];
const VERTEX = `
attribute vec2 place; attribute vec4 colour;
uniform vec2 scale; uniform vec2 shift; uniform float size;
varying vec4 shade;
void main() { gl_Position = vec4(place * scale + shift, 0.0, 1.0); gl_PointSize = size; shade = colour; }`;
const FRAGMENT = `
precision mediump float; varying vec4 shade;
void main() {
  float away = length(gl_PointCoord - 0.5) * 2.0;
  float cover = 1.0 - smoothstep(0.8, 1.0, away);
  if (cover <= 0.0) discard;
  gl_FragColor = vec4(shade.rgb, shade.a * cover);
}`;

export function showMap(page, found) {
  page.content.className = "map";
  const canvas = el("canvas", { tabIndex: 0, role: "application", "aria-label": "Map of the videos: arrow keys go from point to point, Enter searches" });
  const lasso = el("canvas", { class: "lasso", "aria-hidden": "true" });
  const hint = el("div", { class: "point", hidden: true });
  const legend = el("p", { class: "legend" });
  const listed = el("div", { class: "grid" });
  const count = el("p", { class: "chosen", role: "status" });
  page.content.append(el("div", { class: "field" }, canvas, lasso, hint), legend, count, listed);
  const gl = canvas.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: false });
  page.told.replaceChildren(el("p", {}, `${counted(found.numbers.length, "video")}; near ones are alike. Drag around some to list them, scroll to come closer, click one to search by it.`));
  if (!gl) {
    page.told.replaceChildren(el("p", { class: "bad" }, "This browser draws no map: it has no WebGL."));
    return { draw() {}, dispose() {} };
  }
  const names = [...new Set(found.labels.filter((one) => one !== null))];
  const frequent = names.map((name) => [name, found.labels.filter((one) => one === name).length]).sort((one, other) => other[1] - one[1]).slice(0, HUES.length).map(([name]) => name);
  for (const [index, name] of frequent.entries()) {
    const mark = el("i");
    mark.style.background = css(HUES[index]);
    legend.append(el("span", {}, mark, el("bdi", {}, name)));
  }
  const look = { zoom: 1, x: 0.5, y: 0.5 };
  let [at, chosen, path, dragged, asked, isGone] = [-1, null, null, null, 0, false];
  const program = linked(gl);
  const buffers = { place: gl.createBuffer(), colour: gl.createBuffer() };
  const flat = new Float32Array(found.x.length * 2);
  found.x.forEach((x, index) => flat.set([x, found.y[index]], 2 * index));
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers.place);
  gl.bufferData(gl.ARRAY_BUFFER, flat, gl.STATIC_DRAW);

  const box = () => canvas.getBoundingClientRect();
  const span = () => Math.min(box().width, box().height) * 0.94 * look.zoom;
  function fit() {
    const middle = (values) => [(least(values) + most(values)) / 2, most(values) - least(values)];
    if (!found.x.length) return;
    const [[x, wide], [y, tall]] = [middle(found.x), middle(found.y)];
    const side = Math.min(box().width, box().height);
    Object.assign(look, { x, y, zoom: Math.min(box().width / side / Math.max(wide, 0.01), box().height / side / Math.max(tall, 0.01), 8) });
  }
  const toPixels = (index) => [(found.x[index] - look.x) * span() + box().width / 2, (look.y - found.y[index]) * span() + box().height / 2];
  const toPlace = (x, y) => [(x - box().width / 2) / span() + look.x, look.y - (y - box().height / 2) / span()];

  function colours() {
    const isDark = getComputedStyle(document.body).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches || document.documentElement.dataset.theme === "dark";
    const shades = HUES.map((hue) => rgb(hue, isDark ? 0.68 : 0.47));
    const plain = rgb(214, isDark ? 0.66 : 0.45);
    const other = isDark ? [0.55, 0.57, 0.6] : [0.55, 0.55, 0.54];
    const values = new Uint8Array(found.numbers.length * 4);
    found.labels.forEach((label, index) => {
      const place = frequent.indexOf(label);
      const shade = place >= 0 ? shades[place] : names.length ? other : plain;
      const opacity = index === at ? 1 : chosen ? (chosen.has(index) ? 0.95 : 0.14) : 0.78;
      values.set([...shade.map((one) => Math.round(one * 255)), Math.round(opacity * 255)], 4 * index);
    });
    return values;
  }

  function draw() {
    if (isGone) return;
    const ratio = devicePixelRatio || 1;
    const { width, height } = box();
    for (const one of [canvas, lasso]) Object.assign(one, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.useProgram(program);
    const bind = (name, buffer, size, type, isNormalised) => {
      const where = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(where);
      gl.vertexAttribPointer(where, size, type, isNormalised, 0, 0);
    };
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.colour);
    gl.bufferData(gl.ARRAY_BUFFER, colours(), gl.DYNAMIC_DRAW);
    bind("place", buffers.place, 2, gl.FLOAT, false);
    bind("colour", buffers.colour, 4, gl.UNSIGNED_BYTE, true);
    const [across, up] = [(2 * span()) / width, (2 * span()) / height];
    gl.uniform2f(gl.getUniformLocation(program, "scale"), across, up);
    gl.uniform2f(gl.getUniformLocation(program, "shift"), -look.x * across, -look.y * up);
    const usual = found.numbers.length > 5000 ? 4 : found.numbers.length > 800 ? 6 : 9;
    gl.uniform1f(gl.getUniformLocation(program, "size"), usual * ratio * Math.max(1, Math.min(2.2, Math.sqrt(look.zoom) * 0.8)));
    gl.drawArrays(gl.POINTS, 0, found.numbers.length);
    const pen = lasso.getContext("2d");
    pen.scale(ratio, ratio);
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.fillStyle = pen.strokeStyle;
    pen.lineWidth = 2;
    if (path) {
      pen.beginPath();
      path.forEach(([x, y]) => pen.lineTo(x, y));
      pen.closePath();
      pen.stroke();
      pen.globalAlpha = 0.12;
      pen.fill();
      pen.globalAlpha = 1;
    }
    if (at >= 0) {
      pen.beginPath();
      pen.arc(...toPixels(at), 9, 0, 7);
      pen.stroke();
    }
  }

  let isWaiting = false;
  const drawSoon = () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      draw();
    });
  };

  function nearest(x, y) {
    let [best, least] = [-1, REACH * REACH];
    const [wide, middle] = [span(), [box().width / 2, box().height / 2]];
    for (let index = 0; index < found.x.length; index++) {
      const dx = (found.x[index] - look.x) * wide + middle[0] - x;
      const dy = (look.y - found.y[index]) * wide + middle[1] - y;
      const away = dx * dx + dy * dy;
      if (away < least) [best, least] = [index, away];
    }
    return best;
  }

  async function point(index) {
    if (index === at) return;
    at = index;
    drawSoon();
    const mine = ++asked;
    hint.hidden = true;
    if (index < 0) return;
    const video = await get(`/api/videos/${found.numbers[index]}`).catch(() => null);
    if (!video || mine !== asked || isGone) return;
    hint.replaceChildren(el("img", { src: posterOf(video), alt: "" }), el("span", {}, el("bdi", {}, video.id)), video.label ? el("span", { class: "tag" }, el("bdi", {}, video.label)) : "");
    const [x, y] = toPixels(index);
    hint.style.left = `${Math.max(4, Math.min(box().width - 190, x + 14))}px`;
    hint.style.top = `${Math.max(4, Math.min(box().height - 170, y + 14))}px`;
    hint.hidden = false;
  }

  async function list(indices) {
    chosen = indices.length ? new Set(indices) : null;
    drawSoon();
    listed.replaceChildren();
    count.textContent = indices.length ? `${counted(indices.length, "video")} chosen${indices.length > LISTED ? `, the first ${LISTED} shown` : ""}` : "";
    if (!indices.length) return;
    const mine = ++asked;
    const answer = await get("/api/videos", { number: indices.slice(0, LISTED).map((index) => found.numbers[index]), limit: LISTED });
    if (mine !== asked || isGone) return;
    listed.replaceChildren(...answer.videos.map((video) => card({ video }, { open: () => page.searchBy({ video: video.number }) })));
  }

  const inside = (corners) => {
    const taken = [];
    for (let index = 0; index < found.x.length; index++) if (holds(corners, found.x[index], found.y[index])) taken.push(index);
    return taken;
  };

  const placeOf = (event) => [event.clientX - box().left, event.clientY - box().top];
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.shiftKey) dragged = placeOf(event);
    else path = [placeOf(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = placeOf(event);
    if (dragged) {
      look.x -= (here[0] - dragged[0]) / span();
      look.y += (here[1] - dragged[1]) / span();
      dragged = here;
      drawSoon();
    } else if (path) {
      path.push(here);
      drawSoon();
    } else point(nearest(...here));
  });
  canvas.addEventListener("pointerup", (event) => {
    const here = placeOf(event);
    if (path) {
      const wide = Math.max(...path.map(([x, y]) => Math.hypot(x - path[0][0], y - path[0][1])));
      const corners = path.map(([x, y]) => toPlace(x, y));
      path = null;
      if (wide > 8) list(inside(corners));
      else {
        const hit = nearest(...here);
        if (hit >= 0) page.searchBy({ video: found.numbers[hit] });
        else list([]);
      }
    }
    dragged = null;
    drawSoon();
  });
  canvas.addEventListener("pointercancel", () => ([path, dragged] = [null, null]));
  canvas.addEventListener("pointerleave", () => !path && document.activeElement !== canvas && point(-1));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0016), placeOf(event));
  }, { passive: false });

  function zoom(factor, [x, y] = [box().width / 2, box().height / 2]) {
    const before = toPlace(x, y);
    look.zoom = Math.max(0.4, Math.min(400, look.zoom * factor));
    const after = toPlace(x, y);
    look.x += before[0] - after[0];
    look.y += before[1] - after[1];
    hint.hidden = true;
    drawSoon();
  }

  canvas.addEventListener("keydown", (event) => {
    const heading = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (heading) point(next(found, Math.max(at, 0), heading));
    else if (event.key === "Enter" && at >= 0) page.searchBy({ video: found.numbers[at] });
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") fit(), drawSoon();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const observer = new ResizeObserver(drawSoon);
  observer.observe(canvas);
  fit();
  draw();
  return {
    draw,
    dispose() {
      isGone = true;
      observer.disconnect();
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

function linked(gl) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return program;
}

const css = (hue) => `light-dark(hsl(${hue} 62% 47%), hsl(${hue} 62% 68%))`;

function rgb(hue, lightness) {
  const reach = 0.62 * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((step) => {
    const k = (step + hue / 30) % 12;
    return lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  });
}

// Whether a place lies within a closed line, by how often a ray from it crosses the line.
function holds(corners, x, y) {
  let isInside = false;
  for (let index = 0, before = corners.length - 1; index < corners.length; before = index++) {
    const [[x1, y1], [x2, y2]] = [corners[index], corners[before]];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) isInside = !isInside;
  }
  return isInside;
}

// The point that lies nearest in a direction, straight ahead before aside; where there is none, stay.
function next(found, from, [dx, dy]) {
  let [best, least] = [from, Infinity];
  for (let index = 0; index < found.x.length; index++) {
    const [x, y] = [found.x[index] - found.x[from], found.y[index] - found.y[from]];
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (along > 0 && along + 2 * aside < least) [best, least] = [index, along + 2 * aside];
  }
  return best;
}

const least = (values) => values.reduce((one, other) => Math.min(one, other), Infinity);
const most = (values) => values.reduce((one, other) => Math.max(one, other), -Infinity);
