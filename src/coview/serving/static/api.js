// The JSON API. Errors carry the server's own words.

async function answered(response) {
  if (response.ok) return response.json();
  let detail = `${response.status} ${response.statusText}`;
  try {
    const found = (await response.json()).detail;
    detail = typeof found === "string" ? found : found.map((one) => `${one.loc.join(".")}: ${one.msg}`).join("; ");
  } catch {
    // no JSON: the status says it
  }
  throw new Error(detail);
}

async function asked(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is `coview serve` still running?");
  }
  return answered(response);
}

export const get = (path, params = {}, options = {}) => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, one);
    }
  }
  const text = query.toString();
  return asked(text ? `${path}?${text}` : path, options);
};

export const post = (path, body, options = {}) =>
  asked(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...options,
  });

export const remove = (path, params) => {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== null && value !== undefined));
  return asked(`${path}?${query}`, { method: "DELETE" });
};

export const upload = (file) =>
  asked(`/api/uploads?${new URLSearchParams({ name: file.name })}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });

export const posterOf = (video, at, size = "small") => {
  const query = new URLSearchParams({ v: video.key, size });
  if (at !== undefined && at !== null) query.set("at", at.toFixed(1));
  return `/api/videos/${video.number}/poster.jpg?${query}`;
};

export const filmOf = (video) => `/api/videos/${video.number}/film?v=${video.key}`;

export const viewOf = (video, view, start, end) =>
  `/api/videos/${video.number}/views/${encodeURIComponent(view)}?` +
  new URLSearchParams({ start: start.toFixed(2), end: end.toFixed(2), v: video.key });

// Wait until a film can be played; `tell` hears how far a copy, or the fetching of the file, is. Gives null where the caller lost interest.
export async function playable(video, { tell = () => {}, isWanted = () => true } = {}) {
  for (;;) {
    const state = await get(`/api/videos/${video.number}/film/state`);
    if (!isWanted()) return null;
    if (state.state === "ready") return state;
    if (state.state === "failed") throw new Error(state.reason);
    tell(state);
    await new Promise((done) => setTimeout(done, 350));
    if (!isWanted()) return null;
  }
}
