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

/** The address of a full frame: beside the page, or held by it. */
const frameUrl = (key) => DATA.embedded[key] || key;

const labels = () => [DATA.truth, ...DATA.columns.map((column) => column.label)];

/** The operating points of an image whose pictures are there to be seen; all where none has any. */
function pictured(image) {
  const some = image.points.filter((point) => point.pictures);
  return some.length ? some : image.points;
}
