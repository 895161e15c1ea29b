// One video, large: its film, a timeline to seek and to drag over, a strip of how like the query each moment is,
// and all of its views side by side.
import { clock, el, named, toast } from "./dom.js";
import { filmOf, playable, post, posterOf, viewOf } from "./api.js";

const DRAG_PIXELS = 6;
const LEAST_SECONDS = 0.2;
const LONGEST_VIEW = 20;

export class Pane {
  // shown: { video } of the collection, or { file, name } that was dropped; onSearch(start, end) searches by a stretch.
  constructor({ title, shown, segment = null, moment = null, onSearch, onClose = null, views = [], words = { stretch: "Search by", whole: "Search by all of it" } }) {
    this.video = shown.video || null;
    this.name = this.video ? this.video.id : shown.name;
    this.length = this.video?.seconds || 0;
    this.fps = 25;
    this.segment = segment;
    this.onSearch = onSearch;
    this.words = words;
    this.views = views;
    this.isGone = false;
    this.windows = null;
    this.film = el("video", { muted: true, playsInline: true, loop: true, tabIndex: -1, preload: "auto", "aria-label": this.name });
    const around = moment || segment;
    if (this.video) this.film.poster = posterOf(this.video, around?.end ? (around.start + around.end) / 2 : null);
    this.word = el("p", { class: "word" });
    this.screen = el("div", { class: "screen" }, this.film, this.word);
    this.heat = el("canvas", { class: "heat", "aria-hidden": "true" });
    this.range = el("div", { class: "range", hidden: true });
    this.marked = el("div", { class: "marked", hidden: true });
    this.head = el("div", { class: "head" });
    this.line = el("div", { class: "timeline", tabIndex: 0, role: "slider", "aria-label": `Timeline of ${this.name}: drag to search by a stretch`, "aria-valuemin": 0 }, this.heat, this.marked, this.range, this.head);
    this.time = el("span", { class: "number" });
    this.play = el("button", { type: "button", class: "quiet", title: "Play or pause (Space)", onclick: () => this.toggle() }, "❚❚");
    this.go = el("button", { type: "button", class: "primary", hidden: true, onclick: () => this.searchRange() }, words.stretch);
    this.whole = el("button", { type: "button", class: "quiet", onclick: () => onSearch(null, null) }, words.whole);
    this.viewsButton = el("button", { type: "button", class: "quiet", title: "All views side by side (v)", "aria-expanded": "false", hidden: !this.video || views.length < 2, onclick: () => this.toggleViews() }, "Views");
    this.viewsPlace = el("div", { class: "views", hidden: true });
    this.node = el(
      "article",
      { class: "pane" },
      el("header", {}, el("span", { class: "kicker" }, title), el("h2", { class: "name", title: this.name }, ...named(this.name)), this.video?.label ? el("span", { class: "tag" }, el("bdi", {}, this.video.label)) : null, onClose && el("button", { type: "button", class: "quiet close", "aria-label": "Close", title: "Close (Esc)", onclick: onClose }, "✕")),
      this.screen,
      this.line,
      el("div", { class: "transport" }, this.play, this.time, el("span", { class: "space" }), this.go, this.whole, this.viewsButton),
      this.viewsPlace,
    );
    this.listen();
    if (segment) this.mark(segment.start, segment.end);
    this.select(null);
    this.load(shown.file, moment || segment);
  }

  async load(file, moment) {
    const begin = moment?.start || 0;
    this.film.addEventListener("loadedmetadata", () => {
      if (Number.isFinite(this.film.duration)) this.length = Math.max(this.length, this.film.duration);
      this.film.currentTime = begin;
      this.loop = moment && moment.end ? moment : null;
      this.place();
      this.drawHeat();
    }, { once: true });
    this.film.addEventListener("error", () => this.tell(file ? "This browser does not play the file; searching by it works all the same." : "This film does not play."));
    if (!this.video) {
      if (file) {
        this.address = URL.createObjectURL(file);
        this.film.src = this.address;
        this.film.play().catch(() => {});
      } else this.tell("a dropped file");
      return;
    }
    try {
      const tell = (state) => this.tell(`${state.is_fetched ? "Fetching the video" : "Making a copy that browsers play"}: ${Math.round(state.share * 100)} %`);
      const state = await playable(this.video, { tell, isWanted: () => !this.isGone });
      if (!state) return;
      this.fps = state.fps || 25;
      this.tell("");
      this.film.src = filmOf(this.video);
      this.film.play().catch(() => {});
    } catch (error) {
      this.tell(`It cannot be shown: ${error.message}`);
    }
  }

  tell(text) {
    this.word.textContent = text;
  }

  listen() {
    const follow = () => {
      if (this.isGone) return;
      if (this.loop && !this.film.paused && this.film.currentTime > this.loop.end) this.film.currentTime = this.loop.start;
      this.place();
      requestAnimationFrame(follow);
    };
    requestAnimationFrame(follow);
    this.film.addEventListener("play", () => ((this.play.textContent = "❚❚"), this.play.setAttribute("aria-label", "Pause")));
    this.film.addEventListener("pause", () => ((this.play.textContent = "▶"), this.play.setAttribute("aria-label", "Play")));
    this.screen.addEventListener("click", () => this.toggle());
    this.observer = new ResizeObserver(() => this.drawHeat());
    this.observer.observe(this.line);
    let from = null;
    this.line.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.length) return;
      from = { x: event.clientX, at: this.secondsAt(event) };
      this.line.setPointerCapture(event.pointerId);
    });
    this.line.addEventListener("pointermove", (event) => {
      if (from && Math.abs(event.clientX - from.x) > DRAG_PIXELS) {
        const at = this.secondsAt(event);
        this.select({ start: Math.min(from.at, at), end: Math.max(from.at, at) });
        this.seek(at);
      }
    });
    this.line.addEventListener("pointerup", (event) => {
      if (!from) return;
      const isDrag = Math.abs(event.clientX - from.x) > DRAG_PIXELS;
      from = null;
      if (isDrag && this.chosen && this.chosen.end - this.chosen.start >= LEAST_SECONDS) this.searchRange();
      else {
        this.loop = null;
        this.select(null);
        this.seek(this.secondsAt(event));
      }
    });
    this.line.addEventListener("pointercancel", () => (from = null));
    this.line.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const far = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (event.key === "Enter" && this.chosen) this.searchRange();
    else if (event.key === "Home") this.seek(0);
    else if (event.key === "End") this.seek(this.length);
    else if (far) {
      const before = this.film.currentTime;
      this.loop = null;
      this.seek(before + far * Math.max(0.2, this.length / 100));
      if (event.shiftKey) this.select(stretched(this.chosen, before, this.film.currentTime));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  secondsAt(event) {
    const box = this.line.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.length;
  }

  seek(seconds) {
    this.film.currentTime = Math.max(0, Math.min(this.length - 0.04, seconds));
    this.place();
  }

  toggle() {
    if (this.film.paused) this.film.play().catch(() => {});
    else this.film.pause();
    for (const film of this.viewsPlace.querySelectorAll("video")) this.film.paused ? film.pause() : film.play().catch(() => {});
  }

  frame(count) {
    this.film.pause();
    this.loop = null;
    this.seek(this.film.currentTime + count / this.fps);
  }

  bound(which) {
    const at = this.film.currentTime;
    const next = { start: this.chosen?.start ?? 0, end: this.chosen?.end ?? this.length, [which]: at };
    if (next.end - next.start >= LEAST_SECONDS) this.select(next);
    else toast("The end must come after the beginning.");
  }

  select(range) {
    this.chosen = range;
    this.range.hidden = !range;
    this.go.hidden = !range;
    if (range) {
      this.lay(this.range, range);
      this.go.textContent = `${this.words.stretch} ${clock(range.start)} – ${clock(range.end)}`;
    }
  }

  searchRange() {
    if (this.chosen) this.onSearch(Number(this.chosen.start.toFixed(2)), Number(this.chosen.end.toFixed(2)));
  }

  mark(start, end) {
    this.moment = { start: start ?? 0, end: end ?? this.length };
    this.marked.hidden = false;
    this.lay(this.marked, this.moment);
  }

  lay(node, { start, end }) {
    const length = this.length || 1;
    node.style.left = `${(start / length) * 100}%`;
    node.style.width = `${((end - start) / length) * 100}%`;
  }

  place() {
    const at = this.film.currentTime || 0;
    const share = this.length ? Math.min(1, at / this.length) : 0;
    this.head.style.left = `${share * 100}%`;
    const text = `${clock(at)} of ${clock(this.length)}`;
    if (this.time.textContent !== text) {
      this.time.textContent = text;
      this.line.setAttribute("aria-valuemax", this.length.toFixed(1));
      this.line.setAttribute("aria-valuenow", at.toFixed(1));
      this.line.setAttribute("aria-valuetext", text);
    }
    if (this.moment) this.lay(this.marked, this.moment);
  }

  async showHeat(query, views) {
    if (!this.video || this.video.status !== "ready") return;
    try {
      const found = await post("/api/heat", { query, video: this.video.number, views });
      if (this.isGone) return;
      this.windows = found;
      this.length = Math.max(this.length, found.end[found.end.length - 1]);
      this.drawHeat();
    } catch (error) {
      if (!this.isGone) toast(error.message);
    }
  }

  drawHeat() {
    const box = this.line.getBoundingClientRect();
    if (!this.windows || !box.width || !this.length) return;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    Object.assign(this.heat, { width, height });
    const pen = this.heat.getContext("2d");
    pen.fillStyle = getComputedStyle(this.line).getPropertyValue("color");
    const { start, end, cosine } = this.windows;
    const [low, high] = [Math.min(...cosine), Math.max(...cosine)];
    const span = Math.max(high - low, 0.02);
    const levels = new Float32Array(width).fill(NaN);
    cosine.forEach((value, index) => {
      const until = index + 1 < start.length ? Math.min(end[index], start[index + 1]) : end[index];
      const [from, to] = [Math.floor((start[index] / this.length) * width), Math.ceil((until / this.length) * width)];
      for (let x = from; x < Math.min(to, width); x++) levels[x] = Math.max(Number.isNaN(levels[x]) ? 0 : levels[x], (value - low) / span);
    });
    levels.forEach((level, x) => {
      if (Number.isNaN(level)) return;
      const tall = Math.max(2 * scale, level * height);
      pen.globalAlpha = 0.18 + 0.72 * level * level;
      pen.fillRect(x, height - tall, 1, tall);
    });
  }

  toggleViews() {
    const isOpen = this.viewsPlace.hidden;
    this.viewsPlace.hidden = !isOpen;
    this.viewsButton.setAttribute("aria-expanded", String(isOpen));
    this.viewsPlace.replaceChildren();
    if (!isOpen || !this.video) return;
    const around = this.chosen || this.moment || { start: 0, end: this.length || LONGEST_VIEW };
    const start = Math.max(0, around.start);
    const end = Math.min(around.end, start + LONGEST_VIEW);
    this.film.pause();
    for (const name of this.views) this.viewsPlace.append(this.viewOf(name, start, end));
  }

  viewOf(name, start, end) {
    const film = el("video", { muted: true, loop: true, playsInline: true, tabIndex: -1, "aria-label": `${name} of ${this.name}` });
    const word = el("p", { class: "word" }, `Drawing ${name} …`);
    const place = el("figure", {}, el("div", { class: "screen" }, film, word), el("figcaption", {}, name));
    fetch(viewOf(this.video, name, start, end)).then(async (response) => {
      if (this.isGone) return;
      if (!response.ok) {
        const said = await response.json().catch(() => ({}));
        word.textContent = typeof said.detail === "string" ? said.detail : `${response.status}`;
        return;
      }
      film.src = URL.createObjectURL(await response.blob());
      word.textContent = "";
      film.addEventListener("loadeddata", () => this.together(), { once: true });
    }, () => (word.textContent = "the server does not answer"));
    return place;
  }

  // Start all views that are there at the same moment.
  together() {
    for (const film of this.viewsPlace.querySelectorAll("video[src]")) {
      film.currentTime = 0;
      film.play().catch(() => {});
    }
  }

  dispose() {
    this.isGone = true;
    this.observer.disconnect();
    for (const film of this.node.querySelectorAll("video")) {
      if (film.src.startsWith("blob:")) URL.revokeObjectURL(film.src);
      film.removeAttribute("src");
      film.load();
    }
    this.node.remove();
  }
}

function stretched(range, before, now) {
  if (!range) return { start: Math.min(before, now), end: Math.max(before, now) };
  return Math.abs(range.end - before) <= Math.abs(range.start - before)
    ? { start: Math.min(range.start, now), end: Math.max(range.start, now) }
    : { start: Math.min(range.end, now), end: Math.max(range.end, now) };
}
