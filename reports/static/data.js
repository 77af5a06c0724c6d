// The page's data and small helpers that every other script uses.

const DATA = JSON.parse(document.getElementById("data").textContent);

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Make an element; text always goes in as text, never as markup. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "circle", "line", "path", "polyline", "rect", "text", "title"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const color = (column) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--c${DATA.columns[column].colour}`).trim();
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The address of a frame's preview, beside the page or held by it; a small single file holds the lossless one. */
const previewUrl = (key) => DATA.embedded[key] || `previews/${key}`;

const PREVIEWS_ONLY = "this single file holds previews: the lossless pictures are in the report's folder";
const handedOver = new Map(); // key -> what waits for its script
const losslessUrls = new Map();

/** Called by the scripts beside the page: they hand over a frame, or rows and texts, which the browser would not let us read. */
globalThis.isorateFrame = (key, value) => handedOver.get(key)?.(value);

/** What the script KEY.js beside the page hands over. */
function beside(key) {
  return new Promise((resolve, reject) => {
    handedOver.set(key, resolve);
    const script = make("script", {
      src: `${key}.js`,
      onload: () => script.remove(),
      onerror: () => reject(new Error(`${key}.js is missing`)),
    });
    document.head.append(script);
  });
}

function loadLossless(key) {
  if (!DATA.lossless) return Promise.reject(new Error(PREVIEWS_ONLY));
  if (DATA.embedded[key]) return Promise.resolve(DATA.embedded[key]);
  return beside(key).catch((error) => {
    losslessUrls.delete(key);
    throw error;
  });
}

/** The lossless frame as a `data:` URL; the last few are kept. */
function losslessUrl(key) {
  if (!losslessUrls.has(key)) {
    losslessUrls.set(key, loadLossless(key));
    if (losslessUrls.size > 24) losslessUrls.delete(losslessUrls.keys().next().value);
  }
  return losslessUrls.get(key);
}

/** A picture that shows its preview until the lossless frame is there; `failed` is told why it does not come. */
function losslessImage(key, attributes, failed = () => {}) {
  const image = make("img", { src: previewUrl(key), ...attributes });
  losslessUrl(key).then(
    (url) => {
      image.src = url;
    },
    (error) => failed(error.message),
  );
  return image;
}

const labels = () => [DATA.truth, ...DATA.columns.map((column) => column.label)];

/** The operating points of an image whose pictures are there to be seen; all where none has any. */
function pictured(image) {
  const some = image.points.filter((point) => point.pictures);
  return some.length ? some : image.points;
}
