// Labelling: one thing at a time, by keys; a head that follows; what to label next; how good it is by now.
import { get, post, posterOf, remove } from "./api.js";
import { clock, counted, el, toast } from "./dom.js";
import { Pane } from "./pane.js";
import { drawStrip, howGood, toneOf } from "./label_drawing.js";

const ASK_AGAIN_MS = 450;
const SHORT_WINDOWS = 12; // videos of fewer windows are labelled as a whole, unless asked otherwise
const WHY = { unsure: "Not sure", rare: "Rare class", new: "New" };

const same = (one, other) => (one === null || other === null ? one === other : Math.abs(one - other) < 1e-3);
const ownLabel = (labels, one) => labels.find((label) => same(label.start, one.start) && same(label.end, one.end)) || null;
const wait = () => new Promise((done) => setTimeout(done, ASK_AGAIN_MS));

class Bench {
  constructor(page) {
    this.page = page;
    this.kind = page.facts.videos && page.facts.windows / page.facts.videos < SHORT_WINDOWS ? "videos" : "moments";
    this.round = 0;
    this.place = 0;
    this.dozen = [];
    this.isGone = false;
    this.said = Promise.resolve(); // what is said is kept in its order: keys may be quicker than the server
    this.standing = { classes: [], labels: 0, videos: 0, macro_f1: null };
    this.ask = el("p", { class: "ask", role: "status" });
    this.paneNode = el("div", {});
    this.answers = el("div", { class: "answers", role: "group", "aria-label": "What it shows" });
    this.strips = el("div", { class: "strips" });
    this.list = el("div", { class: "dozen" });
    this.tools = el("div", { class: "row" });
    this.good = el("section", { class: "howgood", "aria-label": "How good am I?" });
    page.content.className = "bench";
    page.content.append(
      el("div", {}, this.ask, this.paneNode, this.answers, this.strips),
      el("aside", { "aria-label": "What to label next, and how good the head is" }, this.tools, this.list, this.good),
    );
  }

  async begin() {
    const { given } = this.page;
    this.standing = await get("/api/labelling");
    const video = given.has("video") ? await get(`/api/videos/${Number(given.get("video"))}`) : null;
    if (!this.isHere()) return;
    const number = (name) => (given.has(name) ? Number(given.get(name)) : null);
    if (video) this.dozen = [{ video, start: number("start"), end: number("end"), why: "asked", classes: [], probability: 0 }];
    this.draw();
    if (video) await this.go(0);
    else await this.nextDozen();
    this.follow();
  }

  isHere() {
    return !this.isGone && this.page.isNow();
  }

  get now() {
    return this.dozen[this.place] || null;
  }

  // ---- what to label

  async nextDozen() {
    this.ask.replaceChildren("Looking for what to label next …");
    const turn = (this.turn = (this.turn || 0) + 1);
    for (;;) {
      const found = await get("/api/labelling/suggestions", { kind: this.kind, round: this.round });
      if (!this.isHere() || turn !== this.turn) return;
      if (found.state === "ready") {
        this.dozen = found.suggestions;
        break;
      }
      await wait();
    }
    if (this.dozen.length) return this.go(0);
    this.ask.replaceChildren(this.kind === "videos" ? "Every video has a label." : "Nothing is left to label.");
    this.drawList();
  }

  async go(place) {
    if (place < 0) return;
    if (place >= this.dozen.length) {
      this.round += 1;
      return this.nextDozen();
    }
    this.place = place;
    const one = this.now;
    this.pane?.dispose();
    this.pane = new Pane({
      title: one.start === null ? "Whole video" : `${clock(one.start)} – ${clock(one.end)}`,
      shown: { video: one.video },
      segment: one.start === null ? null : { start: one.start, end: one.end },
      views: this.page.facts.views_to_show,
      words: { stretch: "Label", whole: "Label all of it" },
      onSearch: (start, end) => this.turnTo(start, end),
    });
    this.paneNode.replaceChildren(this.pane.node);
    this.timeline = null;
    this.draw();
    await this.look();
  }

  // Another stretch of the same video, or all of it.
  turnTo(start, end) {
    this.dozen.splice(this.place, 1, { ...this.now, start, end, classes: [], why: "asked", given: null });
    this.go(this.place);
  }

  async look() {
    const one = this.now;
    if (!one) return;
    try {
      const said = this.said;
      await said;
      const found = await get(`/api/labelling/timeline/${one.video.number}`);
      if (!this.isHere() || this.now !== one) return;
      this.timeline = found;
      if (said === this.said) one.given = ownLabel(found.labels, one);
      this.draw();
      this.drawStrips();
    } catch (error) {
      toast(error.message);
    }
  }

  // ---- what is said

  toggle(place, one = this.now) {
    const name = this.standing.classes[place]?.name;
    if (name === undefined) return toast("There is no such class yet: n names one.");
    return this.say((given) => {
      const classes = new Set(given?.classes || []);
      if (!classes.delete(name)) classes.add(name);
      return classes.size ? [...classes] : null;
    }, one);
  }

  none() {
    return this.say((given) => (given && !given.classes.length ? null : []));
  }

  // What a thing shows: its label so far (null: none) -> its classes from now on; null takes the label away.
  say(change, one = this.now) {
    if (!one) return this.said;
    return this.inOrder(async () => {
      const at = { video: one.video.number, start: one.start, end: one.end };
      const classes = change(one.given);
      if (classes === null) await remove("/api/labelling/labels", at);
      one.given = classes === null ? null : await post("/api/labelling/labels", { ...at, classes });
      this.changed();
    });
  }

  undo() {
    return this.inOrder(async () => {
      const { undone } = await post("/api/labelling/undo", {});
      toast(undone === null ? "Nothing to take back." : `Taken back: ${undone}`);
      await Promise.all(
        this.dozen.map(async (one) => (one.given = ownLabel(await get("/api/labelling/labels", { video: one.video.number }), one))),
      );
      this.changed();
    });
  }

  inOrder(act) {
    this.said = this.said.then(act).catch((error) => toast(error.message));
    return this.said;
  }

  async addClass(name) {
    if (!name.trim()) return;
    const one = this.now;
    try {
      this.standing = await post("/api/labelling/classes", { name });
      this.draw();
      const place = this.standing.classes.findIndex((one) => one.name === name.trim());
      if (one && place >= 0) await this.toggle(place, one);
    } catch (error) {
      toast(error.message);
    }
  }

  changed() {
    this.draw();
    this.follow();
  }

  // Ask until the head knows the newest labels; then draw what it says.
  async follow() {
    this.isWanted = true;
    if (this.isFollowing) return;
    this.isFollowing = true;
    try {
      while (this.isWanted) {
        this.isWanted = false;
        this.standing = await get("/api/labelling");
        if (!this.isHere()) return;
        this.draw();
        if (this.standing.state === "ready") await this.look();
        else {
          this.isWanted = true;
          await wait();
        }
        if (!this.isHere()) return;
      }
    } catch (error) {
      toast(error.message);
    } finally {
      this.isFollowing = false;
    }
  }

  // ---- drawing

  draw() {
    this.drawAsk();
    this.drawAnswers();
    this.drawTools();
    this.drawList();
    this.good.replaceChildren(...howGood(this.standing));
  }

  drawAsk() {
    const one = this.now;
    if (!one) return;
    const [first, second] = one.classes.map((name) => el("strong", {}, el("bdi", {}, name)));
    const said = second ? [first, " or ", second, "?"] : first ? [first, `? (${Math.round(100 * one.probability)} %)`] : ["Unlike what is labelled so far."];
    const kicker = `${this.place + 1} of ${this.dozen.length}${WHY[one.why] ? ` · ${WHY[one.why]}` : ""}`;
    this.ask.replaceChildren(el("span", { class: "kicker" }, kicker), el("span", {}, ...(one.why === "asked" ? ["What does it show?"] : said)));
  }

  drawAnswers() {
    const given = this.now?.given;
    const answer = (key, name, isOn, tone, act) => {
      const dot = el("i", {});
      dot.style.background = tone;
      return el("button", { type: "button", class: "answer", "aria-pressed": String(isOn), onclick: act }, el("kbd", {}, key), dot, el("span", {}, name));
    };
    const classes = this.standing.classes.map((one, place) =>
      answer(place < 9 ? String(place + 1) : "·", el("bdi", {}, one.name), Boolean(given?.classes.includes(one.name)), toneOf(place), () => this.toggle(place)),
    );
    if (classes.length) classes.push(answer("0", "none of them", Boolean(given && !given.classes.length), "var(--soft)", () => this.none()));
    if (!this.naming) {
      this.nameInput = el("input", { type: "text", maxLength: 200, placeholder: "New class (n)", "aria-label": "Name of a new class", autocomplete: "off", spellcheck: false });
      const submit = (event) => {
        event.preventDefault();
        const name = this.nameInput.value;
        this.nameInput.value = "";
        this.nameInput.blur();
        this.addClass(name);
      };
      this.naming = el("form", { class: "naming", onsubmit: submit }, this.nameInput);
    }
    if (!this.naming.isConnected) this.answers.append(this.naming);
    while (this.answers.firstChild !== this.naming) this.answers.firstChild.remove(); // the field keeps its focus
    this.naming.before(...classes);
  }

  drawTools() {
    const chip = (text, kind) => el("button", { type: "button", class: "chip", "aria-pressed": String(this.kind === kind), onclick: () => this.choose(kind) }, text);
    this.tools.replaceChildren(
      el("div", { class: "chips", role: "group", "aria-label": "What is labelled (w)" }, chip("moments", "moments"), chip("whole videos", "videos")),
      el("button", { type: "button", class: "quiet", title: "Another dozen (m)", onclick: () => this.go(this.dozen.length) }, "Another dozen"),
      el("button", { type: "button", class: "quiet", title: "Take the last step back (u)", onclick: () => this.undo() }, "Undo"),
    );
  }

  choose(kind) {
    this.kind = kind;
    this.drawTools();
    this.nextDozen();
  }

  drawList() {
    this.list.replaceChildren(
      ...this.dozen.map((one, place) => {
        const said = one.given ? one.given.classes.join(", ") || "none" : "";
        const picture = el("img", { src: posterOf(one.video, one.start === null ? null : (one.start + one.end) / 2), alt: "", draggable: false });
        const label = `${place + 1}: ${one.video.id}${said ? `, labelled ${said}` : ""}`;
        return el("button", { type: "button", class: one.given ? "is-done" : "", "aria-current": String(place === this.place), "aria-label": label, title: one.video.id, onclick: () => this.go(place) }, picture, said ? el("span", { class: "said" }, el("bdi", {}, said)) : null);
      }),
    );
  }

  drawStrips() {
    const found = this.timeline;
    if (!found || (!found.classes.length && !found.labels.length)) return this.strips.replaceChildren();
    const names = [...new Set([...found.classes, ...found.labels.flatMap((one) => one.classes)])];
    const length = Math.max(this.now.video.seconds || 0, ...found.end.slice(-1), 0.1);
    const strip = (name) => {
      const canvas = el("canvas", { title: `${name}: how likely over the video; click to go there` });
      canvas.addEventListener("click", (event) => this.pane.seek((event.offsetX / canvas.clientWidth) * length));
      const tone = toneOf(this.standing.classes.findIndex((one) => one.name === name));
      requestAnimationFrame(() => drawStrip(canvas, found, name, length, tone));
      return [el("span", { title: name }, el("bdi", {}, name)), canvas];
    };
    this.strips.replaceChildren(...names.flatMap(strip));
  }

  key(event) {
    const onButton = event.target.matches?.("button, a, summary, .timeline");
    const acts = {
      0: () => this.none(),
      Enter: onButton ? null : () => this.go(this.place + 1),
      Backspace: () => this.go(this.place - 1),
      n: () => this.nameInput?.focus(),
      u: () => this.undo(),
      m: () => this.go(this.dozen.length),
      w: () => this.choose(this.kind === "videos" ? "moments" : "videos"),
      " ": onButton ? null : () => this.pane?.toggle(),
      ",": () => this.pane?.frame(-1),
      ".": () => this.pane?.frame(1),
      "[": () => this.pane?.bound("start"),
      "]": () => this.pane?.bound("end"),
      l: () => this.pane?.searchRange(),
      v: () => this.pane?.views.length > 1 && this.pane.toggleViews(),
    };
    const act = /^[1-9]$/.test(event.key) ? () => this.toggle(Number(event.key) - 1) : acts[event.key];
    if (!act) return false;
    act();
    return true;
  }

  dispose() {
    this.isGone = true;
    this.pane?.dispose();
  }
}

let bench = null;

export const LABEL = {
  title: "Label",
  async show(page) {
    bench = new Bench(page);
    await bench.begin();
  },
  leave() {
    bench?.dispose();
    bench = null;
  },
  redraw() {
    bench?.drawStrips();
  },
  key(event) {
    return bench ? bench.key(event) : false;
  },
};
