// Clips in a grid: a picture each, which plays while the pointer rests on it; arrow keys go from one to the next.
import { clock, el, named } from "./dom.js";
import { filmOf, playable, posterOf } from "./api.js";

const REST_MS = 140;
let playing = null;

export function card({ video, start = null, end = null, cosine = null, isQuery = false, mark = "" }, actions) {
  const at = start === null ? null : (start + end) / 2;
  const picture = el("img", { src: posterOf(video, at), alt: "", loading: "lazy", decoding: "async", draggable: false });
  picture.addEventListener("error", () => screen.classList.add("none"), { once: true });
  const time = start === null ? (video.seconds ? clock(video.seconds) : "") : `${clock(start)} – ${clock(end)}`;
  const screen = el("div", { class: "screen" }, picture, time && el("span", { class: "time" }, time));
  const name = el("span", { class: "name", title: video.id }, ...named(video.id, isQuery ? null : video.label));
  const facts = el("span", { class: "facts" });
  if (cosine !== null) {
    const bar = el("span", { class: "gauge" }, el("i"));
    bar.firstChild.style.width = `${Math.max(0, Math.min(1, cosine)) * 100}%`;
    facts.append(bar, el("span", { class: "number" }, cosine.toFixed(3)));
  }
  if (isQuery) facts.append(el("span", { class: "tag" }, "the query itself"));
  else if (video.label) facts.append(el("span", { class: "tag", title: video.label }, el("bdi", {}, video.label)));
  if (mark) facts.append(el("span", { class: "tag" }, mark));
  if (video.status !== "ready") facts.append(el("span", { class: "tag bad", title: video.reason }, video.reason || video.status));
  const open = el(
    "button",
    { type: "button", class: "card-open", onclick: () => actions.open(), "aria-label": spoken(video, time, cosine) },
    screen,
    name,
    facts,
  );
  const node = el("article", { class: "card" }, open);
  if (actions.search) {
    node.append(
      el("button", { type: "button", class: "card-search", title: "Search by this (s)", "aria-label": "Search by this", tabIndex: -1, onclick: () => actions.search() }, "⌕"),
    );
  }
  node.search = actions.search || actions.open;
  const begin = () => preview(screen, video, start, end);
  open.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && begin());
  open.addEventListener("pointerleave", stop);
  open.addEventListener("focus", () => open.matches(":focus-visible") && begin());
  open.addEventListener("blur", stop);
  return node;
}

function spoken(video, time, cosine) {
  return [video.id, video.label, time, cosine === null ? null : `cosine ${cosine.toFixed(3)}`].filter(Boolean).join(", ");
}

function stop() {
  if (!playing) return;
  playing.film?.remove();
  playing.screen.classList.remove("plays");
  clearTimeout(playing.timer);
  playing = null;
}

function preview(screen, video, start, end) {
  stop();
  const mine = (playing = { screen, film: null, timer: 0 });
  mine.timer = setTimeout(async () => {
    try {
      if (!(await playable(video, { isWanted: () => playing === mine })) || playing !== mine) return;
    } catch {
      return; // the picture stays; opening the clip says why it does not play
    }
    const film = el("video", { muted: true, loop: true, playsInline: true, disablePictureInPicture: true, tabIndex: -1 });
    film.setAttribute("aria-hidden", "true");
    film.addEventListener("loadeddata", () => screen.classList.add("plays"));
    film.addEventListener("loadedmetadata", () => start && (film.currentTime = start));
    film.addEventListener("timeupdate", () => {
      if (end !== null && film.currentTime > end) film.currentTime = start;
    });
    film.src = filmOf(video);
    mine.film = film;
    screen.append(film);
    film.play().catch(() => {});
  }, REST_MS);
}

// Move the focus among the cards of a page, as they lie.
export function step(key) {
  const all = [...document.querySelectorAll(".card-open")].filter((one) => one.offsetParent !== null);
  if (!all.length) return false;
  const here = all.indexOf(document.activeElement);
  if (here < 0) {
    all[0].focus();
    return true;
  }
  let next = here + { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (key === "ArrowUp" || key === "ArrowDown") {
    const box = all[here].getBoundingClientRect();
    const down = key === "ArrowDown";
    let least = Infinity;
    next = here;
    all.forEach((one, index) => {
      const other = one.getBoundingClientRect();
      if (down ? other.top < box.bottom - 8 : other.bottom > box.top + 8) return;
      const distance = Math.abs(other.top - box.top) * 4 + Math.abs(other.left - box.left);
      if (distance < least) [least, next] = [distance, index];
    });
  }
  all[Math.max(0, Math.min(all.length - 1, next))].focus();
  return true;
}
