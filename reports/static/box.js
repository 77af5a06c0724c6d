// A box of one's own: drawn on the stage or typed, shown as a crop of every codec with its local PSNR and a TOML table.

const BOX_FIELDS = ["x", "y", "width", "height"];

function clampBox([x, y, width, height], W, H) {
  const left = Math.min(Math.max(Math.round(x), 0), W - 1),
    top = Math.min(Math.max(Math.round(y), 0), H - 1);
  return [
    left,
    top,
    Math.min(Math.max(Math.round(width), 1), W - left),
    Math.min(Math.max(Math.round(height), 1), H - top),
  ];
}

function boxOutline({ width, height }, box) {
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", class: "outline" });
  if (box) svg.append(make("rect", { x: box[0], y: box[1], width: box[2], height: box[3] }));
  return svg;
}

function startBox(view) {
  const root = view.stage.root;
  let from = null,
    pane = null;
  const corner = (event) => view.stage.pixelAt(event, pane);
  const rectangle = (event) => {
    const to = corner(event);
    const low = from.map((value, axis) => Math.floor(Math.min(value, to[axis]))),
      high = from.map((value, axis) => Math.ceil(Math.max(value, to[axis])));
    return clampBox([...low, high[0] - low[0], high[1] - low[1]], view.image.width, view.image.height);
  };
  root.addEventListener("pointerdown", (event) => {
    if (!root.classList.contains("drawing")) return;
    pane = view.stage.paneAt(event);
    from = corner(event);
    root.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  root.addEventListener("pointermove", (event) => {
    if (!from) return;
    const box = rectangle(event);
    $$(".outline", root).forEach((svg) =>
      svg.replaceChildren(make("rect", { x: box[0], y: box[1], width: box[2], height: box[3] })),
    );
  });
  root.addEventListener("pointerup", (event) => {
    if (!from) return;
    const box = rectangle(event);
    from = null;
    view.draw(false);
    view.set({ box });
  });
  $$("#box-fields input").forEach((input) =>
    input.addEventListener("change", () => {
      const box = BOX_FIELDS.map((name) => +$(`#box-${name}`).value);
      view.set({ box: clampBox(box, view.image.width, view.image.height) });
    }),
  );
  $("#box-remove").addEventListener("click", () => view.set({ box: null }));
  $("#box-copy").addEventListener("click", async () => {
    $("#box-toml").select();
    await navigator.clipboard?.writeText($("#box-toml").value).catch(() => {});
    view.say("copied");
  });
}

const quoted = (value) => JSON.stringify(value).replaceAll("\u007f", "\\u007f");

function showBoxPanel(view) {
  const { box } = view.state,
    image = view.image;
  $("#box-panel").hidden = !box;
  if (!box) return;
  BOX_FIELDS.forEach((name, at) => {
    $(`#box-${name}`).value = box[at];
  });
  const zoom = Math.max(1, Math.round(256 / box[2]));
  $("#box-toml").value =
    `[[crop]]\nname = "box"\nimage = ${quoted(image.name)}\n${BOX_FIELDS.map((name, at) => `${name} = ${box[at]}`).join("\n")}\nzoom = ${zoom}\n`;
  const cards = labels()
    .map((label, column) => ({ label, column, key: view.frame(column) }))
    .filter(({ key }) => key);
  const shown = cards.map(({ label, key, column }) => {
    const canvas = make("canvas", { width: box[2], height: box[3], role: "img", "aria-label": `${label}, the box` });
    const value = make("span", { class: "value" }, column ? "…" : "original");
    return {
      key,
      column,
      canvas,
      value,
      node: make("figure", {}, canvas, make("figcaption", {}, make("b", {}, label), " ", value)),
    };
  });
  $("#box-crops").replaceChildren(...shown.map(({ node }) => node));
  for (const { key, column, canvas, value } of shown) {
    drawCrop(canvas, key, box, image.width);
    if (column && image.original)
      localText(image.original, key, box).then((text) => {
        value.textContent = text;
      });
  }
}

async function drawCrop(canvas, key, box, width) {
  const picture = new Image();
  picture.src = await losslessUrl(key).catch(() => previewUrl(key));
  await picture.decode();
  const scale = picture.naturalWidth / width; // a preview is smaller
  const place = box.map((side) => side * scale);
  canvas.getContext("2d").drawImage(picture, ...place, 0, 0, box[2], box[3]);
}

/** The PSNR inside the box; without the frames' pixels, why there is none. */
async function localText(truth, key, box) {
  try {
    const psnr = localPsnr(await pixels(truth), await pixels(key), box);
    return `${Number.isFinite(psnr) ? psnr.toFixed(2) : "∞"} dB here`;
  } catch (error) {
    return error.message;
  }
}
