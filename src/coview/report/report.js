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
