// The page: what is shown follows from the address alone, so that back, forward and bookmarks work.
import { get, post, upload } from "./api.js";
import { card, step } from "./cards.js";
import { byId, counted, el, toast } from "./dom.js";
import { Pane } from "./pane.js";
import { SECTIONS } from "./sections.js";

const AT_ONCE = 60;
const state = { facts: null, route: null, panes: [], hits: [], turn: 0, files: new Map() };

// ---- addresses: #/, #/search?video=3&start=1&end=2, #/map, ...

function route() {
  const [path, query = ""] = location.hash.slice(1).split("?");
  const given = new URLSearchParams(query);
  const number = (name) => (given.has(name) && Number.isFinite(Number(given.get(name))) ? Number(given.get(name)) : null);
  return {
    section: path.replace(/^\//, "") || "videos",
    text: given.get("text") || "",
    label: given.get("label") || "",
    query: { video: number("video"), upload: given.get("upload"), start: number("start"), end: number("end") },
    views: given.getAll("view"),
    kind: given.get("kind") === "videos" ? "videos" : "moments",
    given,
  };
}

export function go(section, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined && one !== "") query.append(name, one);
  }
  const text = query.toString();
  location.hash = `#/${section === "videos" ? "" : section}${text ? `?${text}` : ""}`;
}

export const searchBy = (query, more = {}) => {
  const { label, views, kind, section } = state.route;
  const kept = section === "search" ? { label, view: views, kind: kind === "videos" ? kind : null } : { label };
  go("search", { ...kept, ...query, ...more });
};

const refine = (changes) => {
  const { section, query, text, label, views, kind } = state.route;
  const kept = section === "search" ? { ...query, view: views, kind: kind === "videos" ? kind : null } : { text };
  go(section, { ...kept, label, ...changes });
};

// ---- what is shown

async function show() {
  const turn = ++state.turn;
  const isNow = () => turn === state.turn;
  state.route = route();
  const { section, text, label } = state.route;
  for (const link of byId("sections").children) link.toggleAttribute("aria-current", link.dataset.section === section);
  byId("sections").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  if (document.activeElement !== byId("text")) byId("text").value = text;
  byId("text").closest("form").classList.toggle("no-text", section !== "videos");
  byId("label").value = label;
  clear();
  if (section === "search") await showSearch(isNow);
  else if (SECTIONS[section]) await SECTIONS[section].show({ content: byId("content"), told: byId("told"), label, isNow, facts: state.facts, given: state.route.given, openVideo, searchBy, go });
  else await showVideos(isNow);
}

function clear() {
  for (const pane of state.panes) pane.dispose();
  state.panes = [];
  state.hits = [];
  SECTIONS[state.shown]?.leave?.();
  state.shown = state.route.section;
  byId("stage").hidden = true;
  byId("stage").replaceChildren();
  // A browser has a few connections alone: pictures that are still being made would keep what is asked for next waiting.
  for (const picture of byId("content").querySelectorAll("img")) if (!picture.complete) picture.removeAttribute("src");
  byId("content").className = "grid";
  byId("content").replaceChildren();
  byId("more").replaceChildren();
  byId("told").replaceChildren();
}

async function showVideos(isNow) {
  const { text, label } = state.route;
  let offset = 0;
  let isBusy = false;
  const more = async () => {
    if (isBusy) return;
    isBusy = true;
    const found = await get("/api/videos", { text, label, offset, limit: AT_ONCE });
    if (!isNow()) return;
    offset += found.videos.length;
    byId("content").append(...found.videos.map((video) => card({ video }, { open: () => searchBy({ video: video.number }) })));
    byId("told").replaceChildren(found.total ? el("p", {}, `${counted(found.total, "video")}. Click one to find what is like it.`) : nothing());
    if (offset >= found.total) watcher.disconnect();
    isBusy = false;
    if (offset < found.total && byId("more").getBoundingClientRect().top < innerHeight + 600) await more();
  };
  const watcher = new IntersectionObserver((seen) => isNow() && seen.some((one) => one.isIntersecting) && more().catch(failed), { rootMargin: "600px" });
  await more();
  if (isNow()) watcher.observe(byId("more"));
}

function nothing() {
  const { facts, route: { text, label } } = state;
  if (text || label) return el("p", { class: "empty" }, "No video fits.");
  const failed = facts.failed ? ` ${counted(facts.failed, "video")} could not be read.` : "";
  return el("p", { class: "empty" }, `This index holds no video that can be found.${failed} Add some with: coview index RUN SOURCE INDEX`);
}

async function showSearch(isNow) {
  const { query, views, kind, label } = state.route;
  const stage = byId("stage");
  let shown;
  if (query.upload) {
    const file = state.files.get(query.upload);
    shown = { file, name: file ? file.name : "a dropped file" };
  } else shown = { video: await get(`/api/videos/${query.video}`) };
  if (!isNow()) return;
  const segment = query.start === null && query.end === null ? null : { start: query.start ?? 0, end: query.end };
  const example = new Pane({
    title: "Looking for",
    shown,
    segment,
    views: state.facts.views_to_show,
    onSearch: (start, end) => searchBy({ video: query.video, upload: query.upload, start, end }),
    onClose: () => go("videos", { label }),
  });
  state.panes.push(example);
  stage.replaceChildren(example.node, el("div", { class: "hint" }, el("p", {}, "Drag over the timeline to search by a stretch of it. Click a hit to see its moment here.")));
  stage.hidden = false;
  if (document.activeElement === document.body) stage.focus({ preventScroll: true }); // Tab goes on from here
  example.showHeat(query, views);
  byId("content").setAttribute("aria-busy", "true");
  byId("told").replaceChildren(el("p", {}, query.upload ? "Reading the file and searching …" : "Searching …"));
  try {
    const where = label ? { label: [label] } : {};
    const answer = await post("/api/search", { query, views, moments: kind === "moments", top: AT_ONCE, where });
    if (!isNow()) return;
    state.hits = answer.hits;
    byId("told").replaceChildren(refinements(answer));
    byId("content").replaceChildren(
      ...answer.hits.map((hit) =>
        card(
          { video: hit.video, start: hit.start, end: hit.end, cosine: hit.cosine, isQuery: hit.is_query },
          { open: () => openHit(hit), search: () => searchBy({ video: hit.video.number, start: hit.start, end: hit.end }) },
        ),
      ),
    );
  } finally {
    byId("content").removeAttribute("aria-busy");
  }
}

function refinements(answer) {
  const { views, kind } = state.route;
  const chip = (text, isOn, changes) => el("button", { type: "button", class: "chip", "aria-pressed": String(isOn), onclick: () => refine(changes) }, text);
  const sameViews = (wanted) => wanted.length === views.length && wanted.every((one) => views.includes(one));
  const choices = state.facts.views.length > 1 ? [chip("all views", sameViews([]), { view: [] }), ...state.facts.views.map((view) => chip(view, sameViews([view]), { view: [view] }))] : [];
  return el(
    "div",
    { class: "refine" },
    el("p", {}, answer.hits.length ? `${counted(answer.hits.length, kind === "videos" ? "video" : "moment")} in ${Math.round(answer.seconds * 1000)} ms` : "Nothing found."),
    el("div", { class: "chips", role: "group", "aria-label": "What is found" }, chip("moments", kind === "moments", { kind: null }), chip("whole videos", kind === "videos", { kind: "videos" })),
    el("div", { class: "chips", role: "group", "aria-label": "Views that are compared" }, ...choices),
  );
}

// A hit beside the query, at its moment.
function openHit(hit) {
  const { query, views } = state.route;
  const segment = hit.start === null ? null : { start: hit.start, end: hit.end };
  const pane = openVideo(hit.video, { title: `Hit ${hit.rank} · cosine ${hit.cosine.toFixed(3)}`, segment });
  pane.showHeat(query, views);
}

function openVideo(video, { title = "Video", segment = null } = {}) {
  const stage = byId("stage");
  const before = state.panes.find((pane) => pane.isSecond);
  if (before) {
    state.panes.splice(state.panes.indexOf(before), 1);
    before.dispose();
  }
  const close = () => {
    pane.dispose();
    state.panes = state.panes.filter((one) => one !== pane);
    if (!stage.children.length) stage.hidden = true;
  };
  const pane = new Pane({
    title,
    shown: { video },
    segment,
    views: state.facts.views_to_show,
    onSearch: (start, end) => searchBy({ video: video.number, start, end }),
    onClose: close,
  });
  pane.isSecond = true;
  pane.close = close;
  state.panes.push(pane);
  stage.querySelector(".hint")?.remove();
  stage.append(pane.node);
  stage.hidden = false;
  const box = pane.node.getBoundingClientRect();
  if (box.top < 0 || box.top > innerHeight * 0.5) pane.node.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
  return pane;
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function failed(error) {
  if (error.name === "AbortError") return;
  byId("content").removeAttribute("aria-busy");
  byId("told").replaceChildren(el("p", { class: "bad" }, error.message));
}

// ---- files

async function take(file) {
  if (!file) return;
  byId("told").replaceChildren(el("p", {}, `Taking in ${file.name} …`));
  try {
    const taken = await upload(file);
    state.files.set(taken.upload, file);
    go("search", { upload: taken.upload });
  } catch (error) {
    byId("told").replaceChildren();
    toast(`${file.name}: ${error.message}`);
  }
}

function listenForFiles() {
  let depth = 0;
  const holds = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!holds(event)) return;
    depth += 1;
    byId("dropping").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (holds(event) && --depth <= 0) {
      depth = 0;
      byId("dropping").hidden = true;
    }
  });
  addEventListener("dragover", (event) => holds(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    depth = 0;
    byId("dropping").hidden = true;
    take(event.dataTransfer.files[0]);
  });
  byId("drop-button").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => {
    take(event.target.files[0]);
    event.target.value = "";
  });
}

// ---- keys

function listenForKeys() {
  addEventListener("keydown", (event) => {
    const target = event.target;
    const isTyping = target.matches?.("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    if (event.key === "Escape") {
      const second = state.panes.find((pane) => pane.isSecond);
      if (isTyping) target.blur();
      else if (second) second.close();
      else if (state.route.section === "search") history.back();
      return;
    }
    if (isTyping) return;
    if (SECTIONS[state.shown]?.key?.(event)) {
      event.preventDefault();
      return;
    }
    const pane = state.panes.find((one) => one.node.contains(document.activeElement)) || state.panes[state.panes.length - 1];
    const actions = {
      "/": () => byId("text").focus(),
      "?": showKeys,
      t: switchTheme,
      o: () => byId("file").click(),
      s: () => target.closest?.(".card")?.search(),
      " ": () => (target.matches?.("button:not(.card-open), a") ? null : pane?.toggle()),
      ",": () => pane?.frame(-1),
      ".": () => pane?.frame(1),
      "[": () => pane?.bound("start"),
      "]": () => pane?.bound("end"),
      v: () => pane?.video && pane.views.length > 1 && pane.toggleViews(),
      Enter: () => !target.matches?.("button, a, summary") && pane?.searchRange(),
    };
    if (event.key.startsWith("Arrow")) {
      if (!target.matches?.(".timeline, canvas") && step(event.key)) event.preventDefault();
    } else if (/^[1-9]$/.test(event.key)) byId("sections").children[Number(event.key) - 1]?.click();
    else if (actions[event.key]) {
      if (event.key === " " && target.matches?.("button:not(.card-open), a")) return;
      if (event.key !== "Enter") event.preventDefault();
      actions[event.key]();
    }
  });
}

function showKeys() {
  byId("keys").showModal();
  byId("keys").scrollTop = 0;
}

function switchTheme() {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  setTheme(isDark ? "light" : "dark");
}

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  try {
    if (name) localStorage.setItem("coview-theme", name);
  } catch {
    // private windows may refuse
  }
  for (const pane of state.panes) pane.drawHeat();
  SECTIONS[state.shown]?.redraw?.();
}

// ---- beginning

async function begin() {
  try {
    setTheme(localStorage.getItem("coview-theme"));
  } catch {
    // the system's choice stands
  }
  byId("theme").addEventListener("click", switchTheme);
  byId("help-button").addEventListener("click", showKeys);
  byId("find").addEventListener("submit", (event) => event.preventDefault());
  let typing = 0;
  byId("text").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => (state.route.section === "videos" ? refine({ text: byId("text").value }) : go("videos", { text: byId("text").value })), 220);
  });
  byId("label").addEventListener("change", () => refine({ label: byId("label").value }));
  listenForFiles();
  listenForKeys();
  state.facts = await get("/api/collection");
  byId("sections").append(
    ...[["videos", "Videos"], ...Object.entries(SECTIONS).map(([name, one]) => [name, one.title])].map(([name, title]) =>
      el("a", { href: `#/${name === "videos" ? "" : name}`, data: { section: name } }, title),
    ),
  );
  byId("label").append(...state.facts.labels.map(({ label, videos }) => el("option", { value: label }, `${label} (${videos})`)));
  byId("label").hidden = !state.facts.labels.length;
  addEventListener("hashchange", () => show().catch(failed));
  await show();
}

begin().catch(failed);
