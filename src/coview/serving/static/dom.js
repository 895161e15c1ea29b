// Elements from plain values. Text is always text: nothing here parses HTML.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name in node && name !== "list" && name !== "role") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// A name of which folders are shortened before the file is; not shown where the label says the same.
export function named(text, label = null) {
  const at = text.lastIndexOf("/") + 1;
  const folders = at ? [el("bdi", { class: text.slice(0, at) === `${label}/` ? "told" : "" }, text.slice(0, at))] : [];
  return [...folders, el("bdi", {}, text.slice(at))];
}

export const byId = (id) => document.getElementById(id);

export function clock(seconds) {
  const whole = Math.max(0, seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = (whole % 60).toFixed(whole < 60 ? 1 : 0).padStart(2, "0");
  if (whole < 60) return `${rest} s`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

// A number with so many decimals; what rounds to nothing has no sign.
export const rounded = (value, decimals) => (Number(value.toFixed(decimals)) || 0).toFixed(decimals);

export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

let hiding = 0;
export function toast(text) {
  const place = byId("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (place.hidden = true), 7000);
}
