// Ways into the collection besides the list of its videos: name -> { title, show, leave, redraw }.
import { get } from "./api.js";
import { card } from "./cards.js";
import { clock, counted, el, rounded } from "./dom.js";
import { LABEL } from "./label.js";
import { showMap } from "./map.js";

const AT_ONCE = 40;

// Ask until the work is done; gives null where something else is shown meanwhile.
async function worked(name, page, saying) {
  for (;;) {
    const found = await get(`/api/${name}`);
    if (!page.isNow()) return null;
    if (found.state === "failed") throw new Error(found.reason);
    if (found.state === "ready") return found;
    const share = found.share > 0 ? ` ${Math.round(100 * found.share)} %` : "";
    page.told.replaceChildren(el("p", {}, `${saying} …${share}`));
    await new Promise((done) => setTimeout(done, 700));
    if (!page.isNow()) return null;
  }
}

function fill(page, items, nodeOf) {
  let shown = 0;
  const more = el("button", { type: "button", onclick: () => add() }, "More");
  const add = () => {
    page.content.append(...items.slice(shown, shown + AT_ONCE).map(nodeOf));
    shown += AT_ONCE;
    more.remove();
    if (shown < items.length) page.content.append(more);
  };
  add();
}

const searching = (page, video) => ({ open: () => page.searchBy({ video: video.number }) });

async function showClusters(page) {
  const found = await worked("clusters", page, "Finding clusters");
  if (!found) return;
  page.content.className = "groups";
  const inside = found.clusters.reduce((sum, one) => sum + one.size, 0);
  const rest = page.facts.videos - inside;
  page.told.replaceChildren(el("p", {}, found.clusters.length ? `${counted(found.clusters.length, "cluster")} of ${counted(inside, "video")}; ${counted(rest, "video")} in none.` : "No clusters: no group of videos stands out."));
  fill(page, found.clusters, (one) => {
    const label = one.label ? el("span", { class: "tag", title: "The most frequent label of its videos" }, `${Math.round(100 * one.label_share)} % are `, el("bdi", {}, one.label)) : null;
    const strip = el("div", { class: "grid small" }, ...one.videos.map((video) => card({ video }, searching(page, video))));
    return el("section", { class: "group" }, el("header", {}, el("h2", {}, `Cluster ${one.number}`), el("span", { class: "number" }, counted(one.size, "video")), label), strip);
  });
}

async function showOutliers(page) {
  const found = await worked("outliers", page, "Looking for outliers");
  if (!found) return;
  page.told.replaceChildren(el("p", {}, found.outliers.length ? "The videos least like all others; a score above 3 or so is unusual." : "Nothing to compare."));
  fill(page, found.outliers, (one) => card({ video: one.video, mark: `score ${rounded(one.score, 1)}` }, searching(page, one.video)));
}

async function showSample(page) {
  const found = await worked("sample", page, "Choosing");
  if (!found) return;
  page.told.replaceChildren(el("p", {}, found.chosen.length ? "Videos that differ most: each next one is the farthest from all before it. The first few stand for the collection." : "Nothing to choose from."));
  fill(page, found.chosen, (one) => card({ video: one.video }, searching(page, one.video)));
}

async function showDuplicates(page) {
  const found = await worked("duplicates", page, "Comparing videos, picture by picture");
  if (!found) return;
  page.content.className = "groups pairs";
  page.told.replaceChildren(el("p", {}, found.pairs.length ? `${counted(found.pairs.length, "pair")} of videos that show one event.` : "No duplicates."));
  fill(page, found.pairs, (pair) => {
    const side = (video, start, end) => card({ video, start, end }, { open: () => page.openVideo(video, { title: "Duplicate", segment: { start, end } }), search: () => page.searchBy({ video: video.number }) });
    const how = [pair.is_mirrored && "mirrored", Math.abs(pair.speed - 1) > 0.01 && `${pair.speed.toFixed(2)} times as fast`, `${clock(pair.end - pair.start)} in common`].filter(Boolean);
    return el("section", { class: "group" }, el("header", {}, el("h2", {}, `${Math.round(100 * pair.confidence)} % sure`), el("span", { class: "tag" }, how.join(", "))), el("div", { class: "grid small" }, side(pair.video, pair.start, pair.end), side(pair.other, pair.other_start, pair.other_end)));
  });
}

let map = null;

export const SECTIONS = {
  map: {
    title: "Map",
    async show(page) {
      const found = await worked("map", page, "Drawing the map");
      if (found) map = showMap(page, found);
    },
    leave() {
      map?.dispose();
      map = null;
    },
    redraw() {
      map?.draw();
    },
  },
  clusters: { title: "Clusters", show: showClusters },
  duplicates: { title: "Duplicates", show: showDuplicates },
  outliers: { title: "Outliers", show: showOutliers },
  sample: { title: "Sample", show: showSample },
  label: LABEL,
};
